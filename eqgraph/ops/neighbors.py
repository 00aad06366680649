"""Nearest, near and farthest points of clouds, compared as they are: ties and what comes out of them are the caller's.

Points are sorted by cloud: those of cloud c are points[ptr[c] : ptr[c + 1]]. Positions among them are called indices here.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from .backend import choose_backend

_BLOCK = 1 << 24
"""Distances that are in memory at the same time."""
_LARGE, _FEW_DIMENSIONS = 50_000, 8
"""Points of a cloud from which a tree is faster than comparing all with all on the CPU, and dimensions in which it is."""


def nearest_points(
    points: Tensor, ptr: Tensor, queries: Tensor, owner: Tensor, k: int, itself: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The k nearest points of each query among those of its cloud.

    Args:
        points: (points, dim), sorted by cloud.
        ptr: (clouds + 1,) int64.
        queries: (rows, dim).
        owner: (rows,) the cloud of each query.
        k: how many.
        itself: (rows,) index of a point that is not a neighbor of the query; None: all are.

    Returns:
        index: (rows, k) int64, by distance, equal ones ascending; -1 where there are no more points.
        distance: (rows, 2) of the k-th and of the one after it; infinity where there are none. NaN, and indices -1, for queries
            with so many points at nearly the same distance that the kernel gives up: see distances.

    Example:
        >>> points = torch.tensor([[0.0], [1.0], [5.0]])
        >>> nearest_points(points, torch.tensor([0, 3]), points[:1], torch.tensor([0]), 1, torch.tensor([0]))
        (tensor([[1]]), tensor([[1., 5.]]))
    """
    if (kernels := _kernels(points, ptr)) is not None:
        return kernels.nearest_points(points, ptr, queries, owner, k, itself)
    index = owner.new_full((len(queries), k), -1)
    distance = points.new_full((len(queries), 2), torch.inf)
    for rows, columns, squares in distances(points, ptr, queries, owner, itself):
        near = squares.topk(min(k + 1, squares.shape[1]), dim=1, largest=False).indices.sort(dim=1).values
        values, order = squares.gather(1, near).sort(dim=1, stable=True)  # equal ones by index
        found = columns.gather(1, near.gather(1, order)).masked_fill(values.isinf(), -1)
        index[rows, : min(k, found.shape[1])] = found[:, :k]
        last = values[:, k - 1 : k + 1].sqrt()
        distance[rows, : last.shape[1]] = last
    return index, distance


def points_within(
    points: Tensor,
    ptr: Tensor,
    queries: Tensor,
    owner: Tensor,
    limit: Tensor,
    itself: Tensor | None = None,
    points_first: bool = False,
) -> Tensor:
    """The points of each query's cloud that are nearer to it than a limit.

    Args:
        points, ptr, queries, owner, itself: see nearest_points.
        limit: (rows,) distances.
        points_first: which row of the result comes first.

    Returns:
        (2, pairs) int64: queries and points, or the other way round; sorted by query, then point.

    Example:
        >>> points = torch.tensor([[0.0], [1.0], [5.0]])
        >>> points_within(points, torch.tensor([0, 3]), points[:1], torch.tensor([0]), torch.tensor([2.0]))
        tensor([[0, 0], [0, 1]])
    """
    if (kernels := _kernels(points, ptr)) is not None:
        return kernels.points_within(points, ptr, queries, owner, limit, itself, points_first)
    found = [owner.new_zeros(2, 0)]
    for rows, columns, squares in distances(points, ptr, queries, owner, itself):
        inside = squares < limit[rows, None].square()
        found.append(torch.stack([rows.repeat_interleave(inside.sum(1)), columns[inside]]))
    pairs = torch.cat(found, 1)
    pairs = pairs[:, pairs[0].argsort(stable=True)]
    return pairs.flip(0) if points_first else pairs


def distances(
    points: Tensor, ptr: Tensor, queries: Tensor, owner: Tensor, itself: Tensor | None = None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Squared distances of all pairs, some rows at a time: those of the largest clouds first.

    Args:
        points, ptr, queries, owner, itself: see nearest_points.

    Yields:
        rows: (block,) of queries.
        columns: (block, largest cloud) index of the point of each column; something valid where there is none.
        squares: (block, largest cloud); infinity where there is none.
    """
    size = (ptr[1:] - ptr[:-1])[owner]
    for rows, largest in _blocks(size):
        column = torch.arange(largest, device=points.device)
        columns = ptr[owner[rows], None] + column
        outside = column >= size[rows, None]
        if itself is not None:
            outside |= columns == itself[rows, None]
        columns = columns.clamp_(max=len(points) - 1)
        squares = torch.zeros(columns.shape, dtype=points.dtype, device=points.device)
        for axis in range(points.shape[1]):  # differences first: nothing cancels far from the origin
            squares += (points[:, axis][columns] - queries[rows, None, axis]).square_()
        yield rows, columns, squares.masked_fill_(outside, torch.inf)


def farthest_points(
    points: Tensor, ptr: Tensor, num: Tensor, start: Tensor, preference: Tensor, tolerance: Tensor
) -> Tensor:
    """Points of each cloud, each the farthest from those before it.

    Args:
        points, ptr: see nearest_points.
        num: (clouds,) how many; not more than there are.
        start: (clouds,) index of the first one; not used where num is 0.
        preference: (points,) decides between points that are equally far away: the highest, then the first.
        tolerance: (clouds,) differences of distances and of preferences up to this are none.

    Returns:
        (sum of num,) int64 indices, cloud by cloud, in the order in which they were picked.

    Example:
        >>> points, zero = torch.tensor([[0.0], [1.0], [5.0], [3.0]]), torch.zeros(4)
        >>> farthest_points(points, torch.tensor([0, 4]), torch.tensor([3]), torch.tensor([0]), zero, zero[:1])
        tensor([0, 2, 3])
    """
    if (kernels := _kernels(points)) is not None:
        return kernels.farthest_points(points, ptr, num, start, preference, tolerance)
    picked = ptr.new_full((int(num.sum()),), -1)
    first = num.cumsum(0) - num
    size = ptr[1:] - ptr[:-1]
    for clouds, largest in _blocks(size):
        column = torch.arange(largest, device=points.device)
        columns = (ptr[clouds, None] + column).clamp_(max=len(points) - 1)
        cloud, prefer, blur = points[columns], preference[columns], tolerance[clouds, None]
        # (clouds, points) to the nearest of those picked, -1 for these themselves and where there is no point
        nearest = points.new_full(columns.shape, torch.inf).masked_fill_(column >= size[clouds, None], -1.0)
        current = start[clouds, None] - ptr[clouds, None]
        for step in range(int(num[clouds].max())):
            active = step < num[clouds]
            chosen = columns.gather(1, current.clamp(0, largest - 1))[:, 0]
            picked[(first[clouds] + step)[active]] = chosen[active]
            squares = (cloud - points[chosen][:, None]).square().sum(-1)
            nearest = torch.minimum(nearest, squares).scatter_(1, current.clamp(0, largest - 1), -1.0)
            most = nearest.amax(1, keepdim=True).clamp_(min=0)
            far = nearest >= torch.minimum(most, (most.sqrt() - blur).clamp_(min=0).square_())
            best = prefer.masked_fill(~far, -torch.inf)
            far &= best >= best.amax(1, keepdim=True) - blur
            current = far.to(torch.uint8).argmax(1, keepdim=True)
    return picked


def _kernels(points: Tensor, ptr: Tensor | None = None):
    """What runs on the CPU: kernels, trees for large clouds if ptr says how large they are, None if neither does."""
    if points.device.type != "cpu":
        return None
    if ptr is not None and points.shape[1] <= _FEW_DIMENSIONS and int(ptr.diff().max()) > _LARGE:
        from . import trees

        return trees
    if choose_backend("auto", points.device, points.dtype).name != "cpu":
        return None
    from .cpu import neighbors

    return neighbors


def _blocks(size: Tensor) -> Iterator[tuple[Tensor, int]]:
    """Rows in descending size, so many at a time that rows times the largest size is bounded; those of size 0 are left out."""
    size, rows = size.sort(descending=True, stable=True)
    sizes, position = size.tolist(), 0
    while position < len(sizes) and sizes[position]:
        end = position + max(_BLOCK // sizes[position], 1)
        yield rows[position:end], sizes[position]
        position = end
