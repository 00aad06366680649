"""From points to the graphs of a network: who sends to whom at each of its layers."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from eqgraph.graph import fps, knn
from eqgraph.ops import Edges


class Level(NamedTuple):
    """The graph of one layer: from the nodes of the level before to those of this one."""

    edge_vec: Tensor
    """(edges, 3) from sender to receiver, in units of the receiver's radius: the envelope of length 1 and more is zero."""
    edge_len: Tensor
    """(edges,) their lengths."""
    edges: Edges
    nodes: Tensor | None
    """(receivers,) int64: which of the senders they are; None: all of them, in their order."""
    batch: Tensor
    """(receivers,) int64, the graph of each."""


def same_levels(edge_vec: Tensor, edges: Edges, num_layers: int) -> list[Level]:
    """One graph for all layers.

    Args:
        edge_vec: (edges, 3) in units of the cutoff.
        edges: of the graph.
        num_layers: how many.

    Example:
        >>> len(same_levels(torch.zeros(0, 3), Edges.of(torch.zeros(2, 0, dtype=torch.int64), 1, 1), 3))
        3
    """
    batch = torch.zeros(edges.num_dst, dtype=torch.int64, device=edge_vec.device)
    return [Level(edge_vec, torch.linalg.vector_norm(edge_vec, dim=1), edges, None, batch)] * num_layers


def knn_levels(
    pos: Tensor, batch: Tensor, batch_size: int, num_points: Sequence[int | None], num_neighbors: Sequence[int]
) -> list[Level]:
    """Fewer and fewer receivers, chosen by farthest point sampling, each with its nearest senders.

    The radius of a receiver is the distance of the last of its neighbors, whose message is thereby zero: who of two points just as far
    is chosen makes no difference, and results are continuous in the coordinates (but for the choice of receivers). As edge vectors are
    in units of this radius, nothing depends on the scale of the cloud, and little on its density.

    Args:
        pos: (points, 3).
        batch: (points,) int64, the graph of each, ascending.
        batch_size: number of graphs.
        num_points: receivers per graph at each level, descending; None: as many as at the level before. Smaller clouds keep all theirs.
        num_neighbors: senders of each receiver at each level, itself among them; fewer where there are fewer.

    Raises:
        ValueError: if a point is not finite, or for the reasons of graph.knn and graph.fps.

    Example:
        >>> levels = knn_levels(torch.randn(20, 3), torch.zeros(20, dtype=torch.int64), 1, [None, 5], [4, 8])
        >>> [(level.edges.num_src, level.edges.num_dst, len(level.edge_vec)) for level in levels]
        [(20, 20, 80), (20, 5, 40)]

    Reference: the hierarchy is that of Qi et al. 2017, arXiv:1706.02413.
    """
    levels: list[Level] = []
    in_order = False  # of the picks of farthest point sampling, whose first picks are a coarser sampling
    for count, k in zip(num_points, num_neighbors, strict=True):
        nodes = None
        if count is not None:
            nodes = (
                _first_nodes(batch, batch_size, count)
                if in_order
                else fps(pos, batch, batch_size=batch_size, num=count)
            )
            in_order = True
        elif levels and levels[-1].nodes is None and num_neighbors[len(levels) - 1] == k:
            levels.append(levels[-1])
            continue
        to_pos, to_batch = (pos, batch) if nodes is None else (pos[nodes], batch[nodes])
        dst, src = knn(pos.detach(), to_pos.detach(), k, batch, to_batch, batch_size=batch_size)
        edge_vec = to_pos.index_select(0, dst) - pos.index_select(0, src)
        edge_len = torch.linalg.vector_norm(edge_vec, dim=1)
        radius = edge_len.new_zeros(len(to_pos)).scatter_reduce(0, dst, edge_len.detach(), "amax")
        unit = torch.where(radius > 0, radius, 1.0).index_select(0, dst)  # points on top of each other have no scale
        edges = Edges.of(torch.stack([src, dst]), len(pos), len(to_pos))
        levels.append(Level(edge_vec / unit.unsqueeze(1), edge_len / unit, edges, nodes, to_batch))
        pos, batch = to_pos, to_batch
    return levels


def _first_nodes(batch: Tensor, batch_size: int, count: int) -> Tensor:
    """The first nodes of each graph, at most so many."""
    number = batch.bincount(minlength=batch_size)
    start = number.cumsum(0) - number
    return (torch.arange(len(batch), device=batch.device) - start[batch] < count).nonzero().squeeze(1)
