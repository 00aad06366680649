"""The order in which a kernel visits edges: receiver by receiver, with work per edge done for a run of edges at a time."""

from collections.abc import Callable

from .emit import Emitter, Value


def traverse(
    k: Emitter,
    run: int,
    ptr: Value,
    first_row: Value,
    last_row: Value,
    fill: Callable[[Value, Value], None],
    start_row: Callable[[Value], None],
    segment: Callable[[Value, Value, Value], None],
    drain: Callable[[Value, Value], None],
) -> None:
    """Emit the loops.

    Runs are consecutive edges, of any receivers; what channels share (edge matrices) is computed for a run at once, edges as lanes.
    Segments are the edges of one run to one receiver, during which the receiver's features stay in registers.

    Args:
        k: where to.
        run: edges in a run.
        ptr: int32, where the edges of each receiver start in the sorted order.
        first_row: first receiver.
        last_row: last receiver + 1.
        fill: (first, number): before the edges of a run are visited.
        start_row: (receiver): before its edges are visited, also if it has none.
        segment: (receiver, first, last): slots of the run that hold edges to the receiver.
        drain: (first, number): after all edges of a run were visited.
    """
    run_start, run_stop, position = (k.variable("i64") for _ in range(3))
    end = k.load_index(ptr, last_row)
    begin = k.load_index(ptr, first_row)
    for variable in (run_start, run_stop):
        k.set(variable, "i64", begin)

    def finish() -> None:
        start = k.get(run_start, "i64")
        number = k.sub(k.get(run_stop, "i64"), start)
        with k.when(k.compare("sgt", number, 0)):
            drain(start, number)

    with k.loop(first_row, last_row) as row:
        start_row(row)
        stop = k.load_index(ptr, k.add(row, 1))
        k.set(position, "i64", k.load_index(ptr, row))
        with k.loop_while(lambda: k.compare("slt", k.get(position, "i64"), stop)):
            edge = k.get(position, "i64")
            with k.when(k.compare("eq", edge, k.get(run_stop, "i64"))):
                finish()
                k.set(run_start, "i64", edge)
                k.set(run_stop, "i64", k.minimum(k.add(edge, run), end))
                fill(edge, k.sub(k.get(run_stop, "i64"), edge))
            start, last = k.get(run_start, "i64"), k.minimum(stop, k.get(run_stop, "i64"))
            segment(row, k.sub(edge, start), k.sub(last, start))
            k.set(position, "i64", last)
    finish()
