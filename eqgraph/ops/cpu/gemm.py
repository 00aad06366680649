"""Small matrix products and transposition inside of kernels."""

from .emit import Emitter, Value

_ROWS, _VECTORS = 8, 3
"""A tile of the result that stays in registers: 8 rows of 3 vectors."""


def gemm(
    k: Emitter,
    result: Value,
    result_stride: Value,
    left: Value,
    left_row: Value,
    left_column: Value,
    right: Value,
    right_stride: Value,
    rows: Value,
    inner: Value,
    columns: int,
    accumulate: bool,
) -> None:
    """Emit result[i, j] (+)= Σ_n left[i, n] right[n, j].

    Args:
        k: where to.
        result: its address; rows are result_stride numbers apart.
        result_stride: see above.
        left: its address; left[i, n] is at i left_row + n left_column.
        left_row: see above.
        left_column: see above.
        right: its address; rows are right_stride apart.
        right_stride: see above.
        rows: number of i.
        inner: number of n.
        columns: number of j.
        accumulate: whether to add to what result holds.
    """
    tile = _VECTORS * k.width
    full = columns // tile * tile
    for start, stop, height in _row_tiles(k, rows):
        with k.loop(start, stop, height) as i:
            left_tile = k.at(left, k.mul(i, left_row))
            row_start = k.mul(i, result_stride)

            def emit(column: Value, lanes: list[int], left_tile=left_tile, row_start=row_start, height=height) -> None:
                _tile(
                    k,
                    [k.at(result, row_start, k.mul(r, result_stride), column) for r in range(height)],
                    [k.at(left_tile, k.mul(r, left_row)) for r in range(height)],
                    left_column,
                    k.at(right, column),
                    right_stride,
                    inner,
                    lanes,
                    accumulate,
                )

            if full:
                with k.loop(0, full, tile) as column:
                    emit(column, [k.width] * _VECTORS)
            if columns > full:
                whole, rest = divmod(columns - full, k.width)
                emit(full, [k.width] * whole + [rest] * bool(rest))


def transpose(k: Emitter, result: Value, source: Value, rows: int, columns: int) -> None:
    """Emit result[j, i] = source[i, j] of a contiguous matrix (rows, columns)."""
    for start, stop, height in _row_tiles(k, rows):
        with k.loop(start, stop, height) as i, k.loop(0, columns) as j:
            read, written = k.at(source, k.mul(i, columns), j), k.at(result, k.mul(j, rows), i)
            for r in range(height):
                k.store_scalar(k.load_scalar(k.at(read, r * columns)), k.at(written, r))


def _row_tiles(k: Emitter, rows: Value) -> list[tuple[Value, Value, int]]:
    """(first row, last + 1, rows per tile) of loops over all rows; those that fill no tile go together if their number is known."""
    whole = k.mul(k.divide(rows, _ROWS), _ROWS)
    rest = rows - whole if isinstance(rows, int) else 1
    tiles = [(0, whole, _ROWS), (whole, rows, rest)]
    return [(start, stop, height) for start, stop, height in tiles if start != stop]


def _tile(
    k: Emitter,
    results: list[Value],
    lefts: list[Value],
    left_column: Value,
    right: Value,
    right_stride: Value,
    inner: Value,
    lanes: list[int],
    accumulate: bool,
) -> None:
    sums = [[k.variable(k.vector) for _ in lanes] for _ in results]
    for row, address in zip(sums, results, strict=True):
        for j, (variable, count) in enumerate(zip(row, lanes, strict=True)):
            k.set(variable, k.vector, k.load(k.at(address, j * k.width), count) if accumulate else k.zero)
    with k.loop(0, inner) as n:
        start = k.at(right, k.mul(n, right_stride))
        vectors = [k.load(k.at(start, j * k.width), count) for j, count in enumerate(lanes)]
        offset = k.mul(n, left_column)
        for row, left in zip(sums, lefts, strict=True):
            factor = k.splat(k.load_scalar(k.at(left, offset)))
            for variable, vector in zip(row, vectors, strict=True):
                k.set(variable, k.vector, k.fma(factor, vector, k.get(variable, k.vector)))
    for row, address in zip(sums, results, strict=True):
        for j, (variable, count) in enumerate(zip(row, lanes, strict=True)):
            k.store(k.get(variable, k.vector), k.at(address, j * k.width), count)
