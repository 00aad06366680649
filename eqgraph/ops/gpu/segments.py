"""Sums of the edges to each receiver, and the transpose, on a GPU."""

from functools import cache

from torch import Tensor

from ..edges import SortedEdges
from .source import Kernel, ceil_div, namespace, nest, power_of_two, triton_function

_MAX_COLUMNS, _NUMBERS = 32, 128
"""Columns of a tile, and numbers of a tile."""


def segment_sum(values: Tensor, edges: SortedEdges) -> Tensor:
    """out[i, f] = Σ_{e: dst(e) = i} values[e, f].

    Args:
        values: (edges, features).
        edges: the receivers.

    Returns:
        (num_dst, features), zero for receivers without edges.
    """
    out = values.new_empty(edges.num_dst, values.shape[1])
    _launch("segment_sum", values, out, edges)
    return out


def gather(values: Tensor, edges: SortedEdges) -> Tensor:
    """out[e, f] = values[dst(e), f], the transpose of segment_sum.

    Args:
        values: (num_dst, features).
        edges: the receivers.

    Returns:
        (edges, features).
    """
    out = values.new_empty(edges.index.shape[1], values.shape[1])
    _launch("gather", values, out, edges)
    return out


def _launch(kind: str, values: Tensor, out: Tensor, edges: SortedEdges) -> None:
    num_columns = values.shape[1]
    columns = min(_MAX_COLUMNS, power_of_two(num_columns))
    kernel = _kernel(kind, columns)
    kernel(
        (len(out) if kind == "segment_sum" else ceil_div(len(out), kernel.tile)) * ceil_div(num_columns, columns),
        values=values.contiguous(),
        out=out,
        index=edges.index.contiguous(),
        order=edges.order,
        ptr=edges.ptr.contiguous(),
        num_columns=num_columns,
        num_phases=len(edges.ptr),
        num_dst=edges.num_dst,
        num_edges=edges.index.shape[1],
    )


@cache
def _kernel(kind: str, columns: int) -> Kernel:
    tile = min(32, _NUMBERS // columns)
    names = ["out", "values", "index", "order", "ptr"]
    integers = ["num_columns", "num_phases", "num_dst", "num_edges"]
    body = [
        f"num_chunks = (num_columns + {columns - 1}) // {columns}",
        "program = tl.program_id(0)",
        f"column = program % num_chunks * {columns} + tl.arange(0, {columns})[None, :]",
        "inside = column < num_columns",
        "number = (program // num_chunks).to(tl.int64)",
        *{"segment_sum": _segment_sum, "gather": _gather}[kind](tile, columns),
    ]
    function = namespace(f"{kind}_{columns}", triton_function(kind, names, integers, body))[kind]
    return Kernel(function, (*names, *integers), 1, tile)


def _segment_sum(tile: int, columns: int) -> list[str]:
    add = [
        f"position = start + tl.arange(0, {tile})[:, None]",
        "edge = tl.load(order + position, position < last, 0).to(tl.int64)",
        "total += tl.load(values + edge * num_columns + column, (position < last) & inside, 0.0)",
    ]
    phase = [
        "bounds = ptr + phase * (num_dst + 1) + number",
        "last = tl.load(bounds + 1)",
        *nest(f"for start in range(tl.load(bounds), last, {tile}):", add),
    ]
    return [
        f"total = tl.full([{tile}, {columns}], 0.0, values.dtype.element_ty)",
        *nest("for phase in range(num_phases):", phase),
        "tl.store(out + number * num_columns + column, tl.reduce(total, 0, add, keep_dims=True), inside)",
    ]


def _gather(tile: int, columns: int) -> list[str]:
    return [
        f"edge = number * {tile} + tl.arange(0, {tile})[:, None]",
        "live = edge < num_edges",
        "dst = tl.load(index + num_edges + edge, live, 0).to(tl.int64)",
        "value = tl.load(values + dst * num_columns + column, live & inside, 0.0)",
        "tl.store(out + edge * num_columns + column, value, live & inside)",
    ]
