"""Graphs of the k nearest neighbors, in PyG's names and layout."""

import warnings

import torch
from jaxtyping import Int
from torch import Tensor

from .clouds import Clouds, checked_points, count_clouds
from .k_nearest import k_nearest


def knn(
    x: Tensor,
    y: Tensor,
    k: int,
    batch_x: Tensor | None = None,
    batch_y: Tensor | None = None,
    cosine: bool = False,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Int[Tensor, "2 edges"]:
    """For each point of y the k nearest points of x in the same graph.

    Which ones does not depend on how the points are turned or ordered: points are equally far away if their distances differ by
    less than 1e-6 (float32; 1e-12 in float64) of the size of the cloud, and of these, the ones nearest to the centroid of x are
    taken (in the same sense), then the ones with the lowest index. That last rule decides only between points that no
    distance tells apart, as mirror images. With fewer than k points, all of them are taken, with one warning per process.

    Args:
        x: (points, dim) or (points,) where neighbors are looked for. Any dim.
        y: (queries, dim) or (queries,).
        k: neighbors per query.
        batch_x: (points,) the graph of each point, in any order; None: there is one graph.
        batch_y: (queries,) the same of y.
        cosine: nearest by angle, not by distance.
        num_workers: for PyG's signature only; the search runs on the threads of torch.
        batch_size: number of graphs.

    Returns:
        Indices of y, ascending, and of x, by distance. They have no gradient; distances computed with them do.

    Raises:
        ValueError: if k is not positive, shapes, types or devices do not fit, a coordinate is not finite, or a graph has points
            in y but none in x.

    Example:
        >>> x = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
        >>> knn(x, torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), 2)
        tensor([[0, 0, 1, 1], [0, 1, 2, 3]])
    """
    _check_k("knn", k)
    x, batch_x = checked_points("knn", "x", x, batch_x)
    y, batch_y = checked_points("knn", "y", y, batch_y)
    check_pair("knn", x, y)
    if cosine:
        x, y = _directions("knn", x, batch_x), _directions("knn", y, batch_y)
    clouds = Clouds.of(x, batch_x, count_clouds("knn", batch_size, batch_x, batch_y))
    check_not_empty("knn", clouds, batch_y)
    return _edges("knn", clouds, k, y, batch_y, None, False)


def knn_graph(
    x: Tensor,
    k: int,
    batch: Tensor | None = None,
    loop: bool = False,
    flow: str = "source_to_target",
    cosine: bool = False,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Int[Tensor, "2 edges"]:
    """Edges from the k nearest points of each point to it.

    Which ones does not depend on how the points are turned or ordered: see knn. Points at the same place are neighbors.
    torch_geometric.nn.knn_graph, and with it PyG's transform KNNGraph, needs the compiled package pyg-lib: this function and
    eqgraph.transforms.KNNGraph replace them. PyG's DynamicEdgeConv calls that package itself: EdgeConv on knn_graph(x, k, batch) is
    the same layer.

    Args:
        x: (points, dim) or (points,).
        k: neighbors per point, not counting itself unless loop=True.
        batch: (points,) the graph of each point, in any order; None: there is one graph.
        loop: whether points are neighbors of themselves.
        flow: "source_to_target": the neighbors are in row 0; "target_to_source": in row 1.
        cosine: nearest by angle, not by distance.
        num_workers: for PyG's signature only; the search runs on the threads of torch.
        batch_size: number of graphs.

    Returns:
        edge_index, sorted by the points whose neighbors they are, then by distance.

    Raises:
        ValueError: if k is not positive, flow is neither of the two, shapes, types or devices do not fit, or a coordinate is
            not finite.

    Example:
        >>> knn_graph(torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]), k=1)
        tensor([[1, 0, 1], [0, 1, 2]])
    """
    _check_k("knn_graph", k)
    check_flow("knn_graph", flow)
    x, batch = checked_points("knn_graph", "x", x, batch)
    if cosine:
        x = _directions("knn_graph", x, batch)
    clouds = Clouds.of(x, batch, count_clouds("knn_graph", batch_size, batch))
    return _edges("knn_graph", clouds, k, x, batch, None if loop else positions(clouds), flow == "source_to_target")


def positions(clouds: Clouds) -> Tensor:
    """Where each point of the input is in the clouds."""
    arange = torch.arange(len(clouds.pos), device=clouds.pos.device)
    return arange if clouds.order is None else torch.empty_like(arange).index_copy_(0, clouds.order, arange)


def check_pair(name: str, x: Tensor, y: Tensor) -> None:
    """Whether points and queries fit each other."""
    if (x.shape[1], x.dtype, x.device) != (y.shape[1], y.dtype, y.device):
        raise ValueError(
            f"{name}: expected x and y of one dimension, dtype and device, got {tuple(x.shape)} {x.dtype} on {x.device} and "
            f"{tuple(y.shape)} {y.dtype} on {y.device}. Convert one of them with .to()."
        )


def check_not_empty(name: str, clouds: Clouds, owner: Tensor, searched: str = "x", asking: str = "y") -> None:
    """Whether all graphs that have queries have points."""
    empty = (clouds.ptr.diff() == 0)[owner].nonzero()
    if len(empty):
        raise ValueError(
            f"{name}: expected points in {searched} for every graph with points in {asking}, got none in graph {int(owner[empty[0]])}. "
            "Remove that graph, or check the batch vectors."
        )


def check_flow(name: str, flow: str) -> None:
    """Whether a direction is one of PyG's."""
    if flow not in ("source_to_target", "target_to_source"):
        raise ValueError(
            f"{name}: expected flow to be 'source_to_target' or 'target_to_source', got {flow!r}. Choose one of these."
        )


def _check_k(name: str, k: int) -> None:
    if k < 1:
        raise ValueError(f"{name}: expected at least 1 neighbor per point, got k={k}. Between 10 and 40 is usual.")


def _directions(name: str, pos: Tensor, batch: Tensor) -> Tensor:
    """Unit vectors: the nearest of them have the smallest angle."""
    length = pos.norm(dim=-1, keepdim=True)
    if (length == 0).any():
        row = int((length == 0).nonzero()[0, 0])
        raise ValueError(
            f"{name}: expected vectors with a direction for cosine=True, got zeros for point {row}, graph {int(batch[row])}. Remove "
            "it, or use cosine=False."
        )
    return pos / length


def _edges(
    name: str, clouds: Clouds, k: int, queries: Tensor, owner: Tensor, itself: Tensor | None, neighbors_first: bool
) -> Tensor:
    available = clouds.ptr.diff() - int(itself is not None)
    few = (available < k)[owner].nonzero()[:1, 0]
    if len(few):
        graph = int(owner[few[0]])
        _warn_few(name, k, graph, int(available[graph]))
    index = clouds.original(k_nearest(clouds, queries, owner, min(k, max(int(available.max()), 1)), itself))
    edges = index.new_empty(2, index.numel())
    row, column = edges.view(2, *index.shape).unbind()[:: -1 if neighbors_first else 1]
    row.copy_(torch.arange(len(queries), device=index.device)[:, None])
    column.copy_(index)
    if len(few):
        there = torch.arange(index.shape[1], device=index.device) < available[owner, None]
        edges = edges[:, there.flatten()]
    return edges


_warned = set()


def _warn_few(name: str, k: int, graph: int, available: int) -> None:
    if name not in _warned:
        _warned.add(name)
        warnings.warn(
            f"{name}: expected at least {k} other points for k={k}, got {available} in graph {graph}: all of them are neighbors. "
            "This is said once.",
            UserWarning,
            stacklevel=4,
        )
