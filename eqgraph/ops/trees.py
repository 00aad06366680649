"""Nearest and near points of large clouds on the CPU, found with k-d trees: see neighbors.py."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def nearest_points(
    points: Tensor, ptr: Tensor, queries: Tensor, owner: Tensor, k: int, itself: Tensor | None
) -> tuple[Tensor, Tensor]:
    """See ops.neighbors.

    Example:
        >>> points = torch.tensor([[0.0], [1.0], [5.0]])
        >>> nearest_points(points, torch.tensor([0, 3]), points[:1], torch.tensor([0]), 1, torch.tensor([0]))
        (tensor([[1]]), tensor([[1., 5.]]))
    """
    index = owner.new_full((len(queries), k), -1)
    distance = points.new_full((len(queries), 2), torch.inf)
    for tree, start, rows in _trees(points, ptr, owner):
        more = k + 1 + (itself is not None)
        there, who = tree.query(queries[rows].double().numpy(), range(1, more + 1), workers=torch.get_num_threads())
        found = torch.from_numpy(np.where(np.isinf(there), -1, who + start))
        there = torch.from_numpy(there)
        if itself is not None:  # leaves a place free: of the query, or of the last one, if many are at the same place
            own = found == itself[rows, None]
            own[:, -1] |= ~own.any(1)
            found, there = found[~own].view(-1, k + 1), there[~own].view(-1, k + 1)
        index[rows] = found[:, :k]
        distance[rows] = there[:, k - 1 :].to(distance.dtype)
    return index, distance


def points_within(
    points: Tensor,
    ptr: Tensor,
    queries: Tensor,
    owner: Tensor,
    limit: Tensor,
    itself: Tensor | None,
    points_first: bool,
) -> Tensor:
    """See ops.neighbors.

    Example:
        >>> points = torch.tensor([[0.0], [1.0], [5.0]])
        >>> points_within(points, torch.tensor([0, 3]), points[:1], torch.tensor([0]), torch.tensor([2.0]), None, False)
        tensor([[0, 0], [0, 1]])
    """
    found = [owner.new_zeros(2, 0)]
    for tree, start, rows in _trees(points, ptr, owner):
        lists = tree.query_ball_point(
            queries[rows].double().numpy(),
            limit[rows].double().numpy(),
            workers=torch.get_num_threads(),
            return_sorted=True,
        )
        count = torch.tensor([len(one) for one in lists])
        index = torch.from_numpy(np.concatenate(lists).astype(np.int64)) + start
        found.append(torch.stack([rows.repeat_interleave(count), index]))
    row, index = torch.cat(found, 1)
    near = (points[index] - queries[row]).square().sum(-1) < limit[row].square()  # a tree includes the limit
    if itself is not None:
        near &= index != itself[row]
    row, order = row[near].sort(stable=True)
    index = index[near][order]
    return torch.stack([index, row] if points_first else [row, index])


def _trees(points: Tensor, ptr: Tensor, owner: Tensor) -> Iterator[tuple]:
    """For each cloud with points and queries: its tree, its first index, its queries."""
    from scipy.spatial import cKDTree

    order = owner.argsort(stable=True)
    rows = order.split(owner.bincount(minlength=len(ptr) - 1).tolist())
    for cloud, (start, stop) in enumerate(zip(ptr[:-1].tolist(), ptr[1:].tolist(), strict=True)):
        if stop > start and len(rows[cloud]):
            yield cKDTree(points[start:stop].double().numpy()), start, rows[cloud]
