"""Sums over the edges of each receiver, and what each edge's receiver has, as operators of PyTorch: each is the other's derivative."""

from torch import Tensor

from .edges import Edges
from .library import EDGES, define, devices, operators, sorted_edges_of


def sum_to_receivers(values: Tensor, edges: Edges) -> Tensor:
    """out[i] = Σ_{e: dst(e) = i} values[e], without atomic additions: every bit is the same each time.

    Args:
        values: (edges, columns).
        edges: the graph.

    Returns:
        (num_dst, columns); zero for receivers without edges.

    Example:
        >>> import torch
        >>> edges = Edges.of(torch.tensor([[0, 0, 0], [1, 1, 0]]), 1, 3)
        >>> sum_to_receivers(torch.tensor([[1.0], [2.0], [4.0]]), edges)
        tensor([[4.], [3.], [0.]])
    """
    return operators.segment_sum(values, *edges.sorted)


def take_from_receivers(values: Tensor, edges: Edges) -> Tensor:
    """out[e] = values[dst(e)].

    Args:
        values: (num_dst, columns).
        edges: the graph.

    Returns:
        (edges, columns).

    Example:
        >>> import torch
        >>> edges = Edges.of(torch.tensor([[0, 0, 0], [1, 1, 0]]), 1, 2)
        >>> take_from_receivers(torch.tensor([[1.0], [2.0]]), edges)
        tensor([[2.], [2.], [1.]])
    """
    return operators.gather(values, *edges.sorted)


def _segment_sum(values, *rest):
    return devices(values).segment_sum(values.contiguous(), sorted_edges_of(rest))


def _segment_sum_fake(values, *rest):
    return values.new_empty(sorted_edges_of(rest).num_dst, values.shape[1])


def _segment_sum_gradient(saved, rest, wanted, g):
    return (operators.gather(g, *rest),)


def _gather(values, *rest):
    return devices(values).gather(values.contiguous(), sorted_edges_of(rest))


def _gather_fake(values, *rest):
    return values.new_empty(sorted_edges_of(rest).index.shape[1], values.shape[1])


def _gather_gradient(saved, rest, wanted, g):
    return (operators.segment_sum(g, *rest),)


define("segment_sum", "values", 1, _segment_sum, _segment_sum_fake, _segment_sum_gradient, EDGES)
define("gather", "values", 1, _gather, _gather_fake, _gather_gradient, EDGES)
