"""Graphs of all neighbors within a radius, in PyG's names and layout."""

import math
import warnings

import torch
from jaxtyping import Int
from torch import Tensor

from eqgraph.ops.neighbors import points_within

from .clouds import Clouds, checked_points, count_clouds
from .k_nearest import k_nearest
from .knn import check_flow, check_pair, positions


def radius(
    x: Tensor,
    y: Tensor,
    r: float,
    batch_x: Tensor | None = None,
    batch_y: Tensor | None = None,
    max_num_neighbors: int | None = None,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Int[Tensor, "2 edges"]:
    """For each point of y all points of x in the same graph that are nearer than r.

    Points at the distance r are not neighbors, as in neighbor_list, where distances that differ by less than 1e-6 (float32; 1e-12 in
    float64) of the size of the cloud are equal: so a lattice has the same neighbors however it is turned.

    Args:
        x: (points, dim) or (points,) where neighbors are looked for. Any dim.
        y: (queries, dim) or (queries,).
        r: neighbors are nearer than this.
        batch_x: (points,) the graph of each point, in any order; None: there is one graph.
        batch_y: (queries,) the same of y.
        max_num_neighbors: at most so many per query, the nearest, with the rule for ties of knn and one warning per process;
            None: all of them. PyG's default is 32, of which it takes whichever it finds first.
        num_workers: for PyG's signature only; the search runs on the threads of torch.
        batch_size: number of graphs.

    Returns:
        Indices of y, ascending, and of x. They have no gradient; distances computed with them do.

    Raises:
        ValueError: if r or max_num_neighbors is not positive, shapes, types or devices do not fit, or a coordinate is not finite.

    Example:
        >>> x = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
        >>> radius(x, torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), 1.5)
        tensor([[0, 0, 1, 1], [0, 1, 2, 3]])
    """
    _check_radius("radius", r, max_num_neighbors)
    x, batch_x = checked_points("radius", "x", x, batch_x)
    y, batch_y = checked_points("radius", "y", y, batch_y)
    check_pair("radius", x, y)
    clouds = Clouds.of(x, batch_x, count_clouds("radius", batch_size, batch_x, batch_y))
    return _edges("radius", clouds, r, max_num_neighbors, y, batch_y, None, False)


def radius_graph(
    x: Tensor,
    r: float,
    batch: Tensor | None = None,
    loop: bool = False,
    max_num_neighbors: int | None = None,
    flow: str = "source_to_target",
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Int[Tensor, "2 edges"]:
    """Edges between all points of a graph that are nearer to each other than r.

    Which ones does not depend on how the points are turned or ordered: see radius. For periodic cells see neighbor_list.

    Args:
        x: (points, dim) or (points,).
        r: edges are shorter than this.
        batch: (points,) the graph of each point, in any order; None: there is one graph.
        loop: whether points are neighbors of themselves.
        max_num_neighbors: at most so many per point, see radius; None: all of them.
        flow: "source_to_target": the neighbors are in row 0; "target_to_source": in row 1.
        num_workers: for PyG's signature only; the search runs on the threads of torch.
        batch_size: number of graphs.

    Returns:
        edge_index, sorted by the points whose neighbors they are.

    Raises:
        ValueError: if r or max_num_neighbors is not positive, flow is neither of the two, shapes, types or devices do not fit, or
            a coordinate is not finite.

    Example:
        >>> radius_graph(torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]), r=1.5)
        tensor([[1, 0], [0, 1]])
    """
    _check_radius("radius_graph", r, max_num_neighbors)
    check_flow("radius_graph", flow)
    x, batch = checked_points("radius_graph", "x", x, batch)
    clouds = Clouds.of(x, batch, count_clouds("radius_graph", batch_size, batch))
    itself = None if loop else positions(clouds)
    return _edges("radius_graph", clouds, r, max_num_neighbors, x, batch, itself, flow == "source_to_target")


def _check_radius(name: str, r: float, max_num_neighbors: int | None) -> None:
    if not (math.isfinite(r) and r > 0):
        raise ValueError(
            f"{name}: expected a positive radius, got r={r}. Choose one with 10 to 40 neighbors per point, or use knn."
        )
    if max_num_neighbors is not None and max_num_neighbors < 1:
        raise ValueError(
            f"{name}: expected at least 1 neighbor per point, got max_num_neighbors={max_num_neighbors}. Use None for all of them."
        )


def _edges(
    name: str,
    clouds: Clouds,
    r: float,
    most: int | None,
    queries: Tensor,
    owner: Tensor,
    itself: Tensor | None,
    neighbors_first: bool,
) -> Tensor:
    limit = (r - clouds.tolerance(queries, owner)).clamp_(min=0).to(queries)
    pairs = points_within(clouds.pos, clouds.ptr, queries, owner, limit, itself, neighbors_first)
    row, column = (pairs[1], pairs[0]) if neighbors_first else (pairs[0], pairs[1])
    if most is not None:
        count = row.bincount(minlength=len(queries))
        crowded = (count > most).nonzero()[:, 0]
        if len(crowded):
            _warn_crowded(name, most, int(count.max()), int(owner[count.argmax()]))
            there = None if itself is None else itself[crowded]
            nearest = k_nearest(clouds, queries[crowded], owner[crowded], most, there)
            kept = (count <= most)[row]
            row, order = torch.cat([row[kept], crowded.repeat_interleave(most)]).sort(stable=True)
            column = torch.cat([column[kept], nearest.flatten()])[order]
            pairs = torch.stack([column, row] if neighbors_first else [row, column])
    if clouds.order is not None:
        pairs[int(not neighbors_first)] = clouds.order[column]
    return pairs


_warned = set()


def _warn_crowded(name: str, most: int, count: int, graph: int) -> None:
    if name not in _warned:
        _warned.add(name)
        warnings.warn(
            f"{name}: expected at most max_num_neighbors={most} neighbors, got {count} in graph {graph}: the nearest are kept, and the "
            "graph is no longer smooth in the positions. Use max_num_neighbors=None or a smaller r. This is said once.",
            UserWarning,
            stacklevel=4,
        )
