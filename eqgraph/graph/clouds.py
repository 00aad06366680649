"""Clouds of points one after another in memory, and how far rounding blurs them."""

from typing import NamedTuple

import torch
from torch import Tensor

ROUNDING = {torch.float32: 1e-6, torch.float64: 1e-12}
"""Distances that differ by less than this times the size of the cloud are equal: rotating the points rounds them this much."""

LARGEST = {torch.float32: 1e18, torch.float64: 1e150}
"""Squares of distances between coordinates below this do not overflow."""


class Clouds(NamedTuple):
    """Points sorted by the cloud that they belong to.

    Args:
        pos: (points, dim) float32 or float64, without gradients.
        batch: (points,) the cloud of each, ascending.
        order: (points,) where each was in the input; None: where it is now.
        ptr: (clouds + 1,) where each cloud starts and the last ends.
        centroid: (clouds, dim) float64.
        off_center: (points,) distances from the centroids.
        reach: (clouds,) the largest of these.
    """

    pos: Tensor
    batch: Tensor
    order: Tensor | None
    ptr: Tensor
    centroid: Tensor
    off_center: Tensor
    reach: Tensor

    @classmethod
    def of(cls, pos: Tensor, batch: Tensor, num_clouds: int) -> "Clouds":
        """Sort points that checked_points has seen.

        Example:
            >>> Clouds.of(torch.tensor([[0.0], [5.0], [2.0]]), torch.tensor([0, 1, 0]), 2).order
            tensor([0, 2, 1])
        """
        order = None
        if (batch[1:] < batch[:-1]).any():
            batch, order = batch.sort(stable=True)
            pos = pos[order]
        count = batch.bincount(minlength=num_clouds)
        double = pos.double()
        centroid = double.new_zeros(num_clouds, pos.shape[1]).index_add_(0, batch, double) / count.clamp(1)[:, None]
        off_center = (double - centroid[batch]).square().sum(-1).sqrt()
        reach = off_center.new_zeros(num_clouds).scatter_reduce_(0, batch, off_center, "amax")
        return cls(pos, batch, order, torch.nn.functional.pad(count.cumsum(0), (1, 0)), centroid, off_center, reach)

    def tolerance(self, queries: Tensor, owner: Tensor) -> Tensor:
        """By how much distances from queries, (rows, dim), to points of the clouds that own them may differ and be equal: (rows,)."""
        away = (queries.double() - self.centroid[owner]).square().sum(-1).sqrt()
        return ROUNDING[self.pos.dtype] * (self.reach[owner] + away)

    def original(self, index: Tensor) -> Tensor:
        """Where points were in the input."""
        return index if self.order is None else self.order[index]


def checked_points(name: str, argument: str, pos: Tensor, batch: Tensor | None) -> tuple[Tensor, Tensor]:
    """Points as (points, dim) in float32 or float64 and the cloud of each as int64, or an error that says what is wrong.

    Args:
        name: the function that the user called.
        argument: what it calls the points.
        pos: coordinates, (points, dim) or (points,).
        batch: the cloud of each; None: all are of one.

    Raises:
        ValueError: if there is no such shape, type or number, or batch does not fit.

    Example:
        >>> checked_points("knn", "x", torch.tensor([1.0, 2.0]), None)
        (tensor([[1.], [2.]]), tensor([0, 0]))
    """
    pos = pos.detach()
    if pos.dim() == 1:
        pos = pos[:, None]
    if pos.dim() != 2 or pos.shape[1] == 0:
        raise ValueError(
            f"{name}: expected {argument} of shape (points, dim), got {tuple(pos.shape)}. Put all clouds one after another and say "
            "with a batch vector which point belongs to which."
        )
    if not pos.is_floating_point():
        raise ValueError(f"{name}: expected {argument} in floating point, got {pos.dtype}. Convert it with .float().")
    if pos.dtype not in ROUNDING:
        pos = pos.float()
    if batch is None:
        batch = pos.new_zeros(len(pos), dtype=torch.int64)
    if batch.shape != pos.shape[:1] or batch.is_floating_point() or batch.dtype == torch.bool:
        raise ValueError(
            f"{name}: expected a batch vector of {len(pos)} whole numbers for {argument}, got shape {tuple(batch.shape)} of "
            f"{batch.dtype}. Pass the graph of each point."
        )
    if batch.device != pos.device:
        raise ValueError(
            f"{name}: expected {argument} and its batch vector on one device, got {pos.device} and {batch.device}. Move one of them."
        )
    batch = batch.to(torch.int64)
    if len(batch) and batch.min() < 0:
        raise ValueError(
            f"{name}: expected graphs counted from 0, got {int(batch.min())} in batch. Number them from 0."
        )
    if len(pos) and not pos.abs().max() < LARGEST[pos.dtype]:  # not so for NaN
        largest = pos.abs().amax(1)
        row = int((~(largest < LARGEST[pos.dtype])).nonzero()[0])
        where = f"for point {row}, graph {int(batch[row])}"
        if largest[row].isfinite():
            limit = f"{LARGEST[pos.dtype]:.0e} in {str(pos.dtype).removeprefix('torch.')}"
            raise ValueError(
                f"{name}: expected {argument} below {limit}, got {largest[row]:.1e} {where}, whose square overflows. Use other units."
            )
        raise ValueError(
            f"{name}: expected finite {argument}, got {pos[row].tolist()} {where}. Remove the point or repair the file that it "
            "comes from."
        )
    return pos, batch


def count_clouds(name: str, batch_size: int | None, *batches: Tensor) -> int:
    """How many clouds there are: as many as are given, or as the largest number in the batch vectors says.

    Raises:
        ValueError: if a batch vector has a number that is too large.

    Example:
        >>> count_clouds("knn", None, torch.tensor([0, 0, 2]))
        3
    """
    largest = max((int(batch.max()) for batch in batches if len(batch)), default=-1)
    if batch_size is not None and largest >= batch_size:
        raise ValueError(
            f"{name}: expected graphs 0 to {batch_size - 1} for batch_size={batch_size}, got {largest} in batch. Leave batch_size out."
        )
    return max(largest + 1, 1) if batch_size is None else batch_size
