"""The k nearest points of a cloud, the same however it is turned."""

import torch
from torch import Tensor

from eqgraph.ops.neighbors import distances, nearest_points

from .clouds import Clouds

_MORE = 64
"""Candidates beyond k among which equally distant points are looked for first."""


def k_nearest(clouds: Clouds, queries: Tensor, owner: Tensor, k: int, itself: Tensor | None = None) -> Tensor:
    """The k points of its cloud nearest to each query; of equally distant ones those nearest to the centroid, then the first.

    Args:
        clouds: the points.
        queries: (rows, dim).
        owner: (rows,) the cloud of each query.
        k: how many.
        itself: (rows,) position in clouds of a point that is not a neighbor of the query; None: all are.

    Returns:
        (rows, k) positions in clouds, by distance; -1 where the cloud has no more points.

    Example:
        >>> pos = torch.tensor([[0.0], [1.0], [-1.0], [4.0]])
        >>> k_nearest(Clouds.of(pos, torch.zeros(4).long(), 1), pos[:1], torch.tensor([0]), 2)
        tensor([[0, 1]])
    """
    index, distance = nearest_points(clouds.pos, clouds.ptr, queries, owner, k, itself)
    tolerance = clouds.tolerance(queries, owner)
    apart = distance[:, 1] > distance[:, 0] + tolerance  # not so where NaN says that the search gave up
    tied = (~apart & (distance[:, 1] != torch.inf)).nonzero()[:, 0]
    if len(tied) == 0:
        return index
    queries, owner, tolerance = queries[tied], owner[tied], tolerance[tied]
    itself = None if itself is None else itself[tied]
    # All that may be as far away as the k-th are usually among a few more.
    columns, distance = nearest_points(clouds.pos, clouds.ptr, queries, owner, k + _MORE, itself)
    columns = columns.sort(1).values  # ascending: the first of equals is the one with the lowest index
    squares = (clouds.pos[columns] - queries[:, None]).square().sum(-1).masked_fill_(columns < 0, torch.inf)
    kth = squares.kthvalue(k, 1).values.double().sqrt_()
    known = distance[:, 1] > kth + tolerance
    index[tied[known]] = _choose(clouds, columns[known], squares[known], k, tolerance[known])
    rest = (~known).nonzero()[:, 0]
    if len(rest):
        itself = None if itself is None else itself[rest]
        for rows, columns, squares in distances(clouds.pos, clouds.ptr, queries[rest], owner[rest], itself):
            index[tied[rest[rows]]] = _choose(clouds, columns, squares, k, tolerance[rest[rows]])
    return index


def _choose(clouds: Clouds, columns: Tensor, squares: Tensor, k: int, tolerance: Tensor) -> Tensor:
    """The chosen k of candidates (rows, candidates), by distance."""
    distance = squares.double().sqrt_()
    chosen = _lowest(distance, clouds.off_center[columns], k, tolerance[:, None])
    best = distance.masked_fill_(~chosen, torch.inf).sort(dim=1, stable=True).indices[:, :k]
    return columns.gather(1, best)


def _lowest(value: Tensor, then: Tensor, k: int, tolerance: Tensor) -> Tensor:
    """Which k have the lowest values; of those that are equal the lowest second values; of those the first."""
    kth = value.kthvalue(k, 1, keepdim=True).values
    sure = value < kth - tolerance
    tied = (value - kth).abs() <= tolerance
    missing = k - sure.sum(1, keepdim=True)
    then = then.masked_fill(~tied, torch.inf)
    last = then.sort(1).values.gather(1, missing - 1)
    sure |= then < last - tolerance
    tied = (then - last).abs() <= tolerance
    return sure | (tied & (tied.cumsum(1) <= k - sure.sum(1, keepdim=True)))
