"""Points in the same cube of a grid, in PyG's name and layout."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from .clouds import checked_points


def voxel_grid(
    pos: Tensor,
    size: float | Sequence[float] | Tensor,
    batch: Tensor | None = None,
    start: float | Sequence[float] | Tensor | None = None,
    end: float | Sequence[float] | Tensor | None = None,
) -> Int[Tensor, " points"]:
    """The number of the box that each point lies in; points of different graphs never share one.

    box = Σ_a n_a Π_{b<a} N_b,   n = ⌊(pos - start) / size⌋,   N = ⌊(end - start) / size⌋ + 1,   the graph is the last axis

    The grid is parallel to the axes: which points share a box depends on how they are turned. Use fps and nearest for clusters
    that do not.

    Args:
        pos: (points, dim) or (points,).
        size: edges of a box, one number or one per axis.
        batch: (points,) the graph of each point, in any order; None: there is one graph.
        start: where the grid starts, one number or one per axis; None: the lowest coordinates of all points.
        end: where it ends; None: the highest coordinates of all points.

    Returns:
        One number per point, as PyG counts; not every number occurs.

    Raises:
        ValueError: if size is not positive, points lie outside start and end, shapes or types do not fit, or a coordinate is
            not finite.

    Example:
        >>> voxel_grid(torch.tensor([[0.0, 0.0], [11.0, 9.0], [2.0, 8.0], [2.0, 2.0], [8.0, 3.0]]), 5.0)
        tensor([0, 5, 3, 0, 1])
    """
    pos, batch = checked_points("voxel_grid", "pos", pos, batch)
    if len(pos) == 0:
        return batch
    size = _per_axis("size", size, pos)
    if not ((size > 0) & size.isfinite()).all():
        raise ValueError(f"voxel_grid: expected boxes with positive edges, got size={size.tolist()}. Give lengths.")
    first = batch.min() if start is None else 0
    start = pos.amin(0) if start is None else _per_axis("start", start, pos)
    end = pos.amax(0) if end is None else _per_axis("end", end, pos)
    outside = ((pos < start) | (pos > end)).any(-1)
    if outside.any():
        row = int(outside.nonzero()[0])
        raise ValueError(
            f"voxel_grid: expected points between start={start.tolist()} and end={end.tolist()}, got {pos[row].tolist()} for point "
            f"{row}, graph {int(batch[row])}. Leave start and end out for a grid around all points."
        )
    numbers = ((end - start) / size).long() + 1
    total = float(numbers.double().prod()) * float(batch.max() + 1)
    if total > 2**62:
        raise ValueError(
            f"voxel_grid: expected fewer than 2^62 boxes, got {total:.1e} with size={size.tolist()}. Use larger boxes."
        )
    strides = torch.nn.functional.pad(numbers.cumprod(0), (1, 0), value=1)
    return (((pos - start) / size).long() * strides[:-1]).sum(1) + (batch - first) * strides[-1]


def _per_axis(name: str, value: float | Sequence[float] | Tensor, pos: Tensor) -> Tensor:
    """One number per axis."""
    numbers = torch.as_tensor(value, dtype=pos.dtype, device=pos.device).flatten()
    if len(numbers) not in (1, pos.shape[1]):
        raise ValueError(
            f"voxel_grid: expected {name} to be one number or one for each of {pos.shape[1]} axes, got {len(numbers)}. Pass as many "
            "as pos has columns."
        )
    return numbers.expand(pos.shape[1])
