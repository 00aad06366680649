"""Farthest-point sampling, in PyG's name and layout."""

import warnings

import torch
from jaxtyping import Int
from torch import Tensor

from eqgraph.ops.neighbors import farthest_points

from .clouds import ROUNDING, Clouds, checked_points, count_clouds


def fps(
    x: Tensor,
    batch: Tensor | None = None,
    ratio: float = 0.5,
    random_start: bool = False,
    batch_size: int | None = None,
    *,
    num: int | None = None,
) -> Int[Tensor, " picked"]:
    """Points of each graph, each the farthest from those before it.

    The first is the farthest from the centroid, so that which ones does not depend on how the points are turned or ordered. Points
    are equally far away if their distances differ by less than 1e-6 (float32; 1e-12 in float64) of the size of the cloud; of these
    the one farthest from the centroid is taken (in the same sense), then the one with the lowest index, which decides only between
    points that no distance tells apart. No point is picked twice.

    Args:
        x: (points, dim) or (points,).
        batch: (points,) the graph of each point, in any order; None: there is one graph.
        ratio: ⌈ratio · points⌉ are picked from each graph, 0 < ratio <= 1.
        random_start: draw the first point instead, from torch's generator: the result then depends on the order of points.
        batch_size: number of graphs.
        num: how many to pick from each graph, in place of ratio; all from graphs with fewer, with one warning per process.

    Returns:
        Indices of x, graph by graph, in the order in which they were picked.

    Raises:
        ValueError: if ratio or num is out of range, shapes or types do not fit, or a coordinate is not finite.

    Example:
        >>> fps(torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [5.0, 0.0]]), num=3)
        tensor([3, 0, 2])

    Reference: Eldar et al. 1997, IEEE Trans. Image Process. 6, 1305; Qi et al. 2017, arXiv:1706.02413.
    """
    if num is None and not 0 < ratio <= 1:
        raise ValueError(
            f"fps: expected a ratio above 0 and up to 1, got {ratio}. Use ratio=0.5 or num=256, for example."
        )
    if num is not None and num < 1:
        raise ValueError(f"fps: expected to pick at least 1 point, got num={num}. Use num=256, for example.")
    x, batch = checked_points("fps", "x", x, batch)
    clouds = Clouds.of(x, batch, count_clouds("fps", batch_size, batch))
    size = clouds.ptr.diff()
    if num is None:
        picked = (size.double() * (ratio * (1 - 1e-9))).ceil().long()  # 0.07 · 100 is more than 7 in floating point
    else:
        picked = size.clamp(max=num)
        if (picked < num).any():
            _warn_few(num, int(size.argmin()), int(size.min()))
    drawn = torch.rand(len(size), device=x.device, dtype=torch.float64) if random_start else None
    start = _first_at_the_edge(clouds) if drawn is None else (drawn * size).long()
    tolerance = ROUNDING[x.dtype] * clouds.reach
    return clouds.original(
        farthest_points(
            clouds.pos, clouds.ptr, picked, clouds.ptr[:-1] + start, clouds.off_center.to(x), tolerance.to(x)
        )
    )


def _first_at_the_edge(clouds: Clouds) -> Tensor:
    """For each cloud the first of the points farthest from its centroid, counted from the start of the cloud."""
    edge = clouds.reach * (1 - ROUNDING[clouds.pos.dtype])
    position = torch.arange(len(clouds.pos), device=clouds.pos.device) - clouds.ptr[clouds.batch]
    position = position.masked_fill(clouds.off_center < edge[clouds.batch], len(clouds.pos))
    none = torch.full_like(clouds.ptr[1:], len(clouds.pos))
    return none.scatter_reduce_(0, clouds.batch, position, "amin").clamp_(max=max(len(clouds.pos) - 1, 0))


_warned = set()


def _warn_few(num: int, graph: int, size: int) -> None:
    if not _warned:
        _warned.add("fps")
        warnings.warn(
            f"fps: expected at least num={num} points, got {size} in graph {graph}: all of them are picked. This is said once.",
            UserWarning,
            stacklevel=3,
        )
