"""Features of many points from those of few."""

import torch
from torch import Tensor

from eqgraph.ops import Edges, segment_sum

from .conv.inputs import sorted_edges

_SOFT = 1e-8
"""Added to squared distances in units of the farthest one: it bounds weights, and changes them by this relative amount."""


def interpolate(x: Tensor, edge_index: Tensor | Edges, edge_len: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Interpolate features of any irreps by inverse squared distances, continuously even where the set of neighbors changes.

    y_i = Σ_j w_ij x_j / Σ_j w_ij,   w_ij = (1 - s_ij)² / (s_ij + 10⁻⁸),   s_ij = r_ij² / max_j r_ij²

    The farthest of the neighbors j of i has weight zero, so that nothing jumps when another one takes its place: take one neighbor more
    than shall count. If all neighbors are equally far, or there is one only, the result is their mean. At a point of x it is that x.

    Args:
        x: (senders, dim) features of the coarse points, irreps of any kind: weights are invariant.
        edge_index: (2, edges) whole numbers, senders (coarse points) in the first row, receivers (fine points) in the second: what
            eqgraph.graph.knn(coarse, fine, k) returns, with its rows exchanged. Or ops.Edges.
        edge_len: (edges,) distances, in any unit.
        size: numbers of senders and receivers. None: as many receivers as the largest index tells, for which a GPU must wait.

    Returns:
        (receivers, dim); zero for receivers without neighbors.

    Raises:
        ValueError: if a shape does not fit or an index is out of range.

    Example:
        >>> coarse, fine = torch.tensor([0.0, 1.0, 3.0]), torch.tensor([0.0, 0.5])
        >>> edge_index = torch.tensor([[0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1]])
        >>> edge_len = (coarse[edge_index[0]] - fine[edge_index[1]]).abs()
        >>> interpolate(torch.tensor([[10.0], [20.0], [70.0]]), edge_index, edge_len)
        tensor([[10.],
                [15.]])

    Reference: Qi et al. 2017, arXiv:1706.02413, eq. (2), without the factor (1 - s)² that makes it continuous.
    """
    num_src = x.shape[0] if size is None else size[0]
    num_dst = 0 if size is None else size[1]
    if size is None and not isinstance(edge_index, Edges) and edge_index.numel():
        num_dst = int(edge_index[-1].max()) + 1
    edges = sorted_edges("interpolate", edge_index, num_src, num_dst)
    if x.dim() != 2 or x.shape[0] != num_src:
        raise ValueError(
            f"interpolate: expected x of shape ({num_src}, dim), got {tuple(x.shape)}. Give one row per coarse point."
        )
    if edge_len.shape != edges.src.shape:
        raise ValueError(
            f"interpolate: expected edge_len of shape ({edges.src.shape[0]},), one distance per edge, got {tuple(edge_len.shape)}. "
            "Compute it for the edges that are given."
        )
    weight = _weights(edge_len.to(x.dtype).square(), edges.dst, edges.num_dst)
    return segment_sum(x.index_select(0, edges.src) * weight.unsqueeze(1), edges.dst, edges.num_dst)


def _weights(square: Tensor, index: Tensor, num: int) -> Tensor:
    """(edges,) weights whose sum is one for each receiver."""
    with torch.no_grad():  # which edge is the farthest; those that tie share the gradient
        farthest = square.new_zeros(num).scatter_reduce(0, index, square, "amax").index_select(0, index)
        last = (square == farthest).to(square.dtype)
        last = last / segment_sum(last, index, num).index_select(0, index)
    limit = segment_sum(last * square, index, num).index_select(0, index)
    apart = limit > 0
    s = torch.where(apart, square / torch.where(apart, limit, 1), 1)
    weight = (1 - s).square() / (s + _SOFT)
    total = segment_sum(weight, index, num).index_select(0, index)
    count = segment_sum(torch.ones_like(weight), index, num).index_select(0, index)
    positive = total > 0
    return torch.where(positive, weight / torch.where(positive, total, 1), 1 / count)
