"""Nearest, near and farthest points of clouds on the CPU: every point is compared with all others of its cloud.

A distance takes half a nanosecond: a tree is faster only in clouds of more than tens of thousands of points.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from .emit import scratch_offset
from .jit import compile_kernel
from .jobs import run
from .neighbor_kernels import LANES, farthest, nearest, within

_SOURCES = {"nearest": nearest, "count": within, "fill": within, "farthest": farthest}
_ROWS = 128
"""Queries of a job."""
_UNROLLED = 4
"""Dimensions up to which kernels are written for their number."""


def nearest_points(
    points: Tensor, ptr: Tensor, queries: Tensor, owner: Tensor, k: int, itself: Tensor | None
) -> tuple[Tensor, Tensor]:
    """See ops.neighbors. Distances are NaN, and indices -1, for queries with too many equally distant points."""
    packed, starts = _pack(points, ptr)
    index, squares = owner.new_empty(len(queries), k), points.new_empty(len(queries), 2)
    capacity = -(-(2 * k + 24) // LANES) * LANES
    itself = torch.full_like(owner, -1) if itself is None else itself
    # a sphere with as many points as are wanted, if the points filled all the space between them
    some = points[:: max(len(points) // 256, 1)].double()
    size = (some.amax(0) - some.amin(0)).square().sum() if len(some) else some.new_zeros(1)
    share = min(1.0, capacity / 2 / max(len(points) / max(len(ptr) - 1, 1), 1.0)) ** (2 / points.shape[1])
    guess = (size * share).clamp(min=1e-30).to(points)
    pointers = [index, squares, packed, queries, owner, starts, ptr, itself, guess]
    scratch = scratch_offset(2 * capacity) + (2 * (capacity + LANES) + _largest(starts)) * points.element_size()
    _call("nearest", pointers, [packed.shape[1], points.shape[1], k], len(queries), scratch, points, capacity)
    return index, squares.sqrt_()


def points_within(
    points: Tensor,
    ptr: Tensor,
    queries: Tensor,
    owner: Tensor,
    limit: Tensor,
    itself: Tensor | None,
    points_first: bool,
) -> Tensor:
    """See ops.neighbors."""
    packed, starts = _pack(points, ptr)
    squares = limit.square()
    itself = torch.full_like(owner, -1) if itself is None else itself
    end = owner.new_zeros(len(queries) + 1)
    shared = [packed, queries, owner, starts, ptr, itself, squares]
    integers = [packed.shape[1], points.shape[1]]
    _call("count", [end[1:], *shared], integers, len(queries), 0, points)
    end.cumsum_(0)
    edges = owner.new_empty(2, int(end[-1]))
    _call(
        "fill",
        [end, *shared, edges[int(points_first)], edges[int(not points_first)]],
        integers,
        len(queries),
        0,
        points,
    )
    return edges


def farthest_points(
    points: Tensor, ptr: Tensor, num: Tensor, start: Tensor, preference: Tensor, tolerance: Tensor
) -> Tensor:
    """See ops.neighbors."""
    packed, starts = _pack(torch.cat([points, preference[:, None]], 1), ptr)
    end = torch.nn.functional.pad(num.cumsum(0), (1, 0))
    picked = num.new_empty(int(end[-1]))
    pointers = [picked, end, packed, starts, ptr, start, tolerance]
    scratch = scratch_offset(0) + _largest(starts) * points.element_size()
    _call("farthest", pointers, [packed.shape[1], points.shape[1]], len(num), scratch, points, rows=1)
    return picked


def _pack(points: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    """Points as (dim, points), each cloud filled up with infinity to a whole number of lanes, and where each starts: (clouds + 1,)."""
    size = ptr.diff()
    starts = torch.nn.functional.pad(((size + LANES - 1) // LANES * LANES).cumsum(0), (1, 0))
    if int(starts[-1]) == len(points):
        return points.T.contiguous(), starts
    packed = points.new_full((points.shape[1], int(starts[-1])), torch.inf)
    place = torch.arange(len(points)) + (starts - ptr)[:-1].repeat_interleave(size)
    return packed.index_copy_(1, place, points.T), starts


def _largest(starts: Tensor) -> int:
    return int(starts.diff().max())


def _call(
    kind: str,
    pointers: list[Tensor],
    integers: list[int],
    number: int,
    scratch: int,
    points: Tensor,
    capacity: int = 0,
    rows: int = _ROWS,
) -> None:
    pointers = [tensor.contiguous() for tensor in pointers]
    jobs = -(-number // rows)
    arguments = np.empty((jobs, len(pointers) + len(integers) + 2), np.int64)
    arguments[:, :-2] = [tensor.data_ptr() for tensor in pointers] + integers
    arguments[:, -2] = np.arange(jobs) * rows
    arguments[:, -1] = np.minimum(arguments[:, -2] + rows, number)
    dim = integers[1] if integers[1] <= _UNROLLED else None
    run(_kernel(kind, dim, points.dtype, capacity), scratch, arguments)


@cache
def _kernel(kind: str, dim: int | None, dtype: torch.dtype, capacity: int) -> int:
    name = str(dtype).removeprefix("torch.")
    return compile_kernel(
        f"points_{kind}",
        f"{dim} {name} {capacity}",
        lambda symbol: _SOURCES[kind](symbol, kind, dim, name, capacity),
    )
