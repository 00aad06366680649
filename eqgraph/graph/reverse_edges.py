"""Which edge runs against which."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def reverse_edges(edge_index: Int[Tensor, "2 edges"], edge_shift: Float[Tensor, "edges 3"]) -> Int[Tensor, " edges"]:
    """For each edge (i, j, S) the edge (j, i, -S), whose vector is the opposite.

    Args:
        edge_index: senders and receivers.
        edge_shift: whole numbers of cell vectors between the two.

    Returns:
        Indices of edges.

    Raises:
        ValueError: if an edge has no reverse, or an edge is there twice.

    Example:
        >>> reverse_edges(torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0]]), torch.tensor([[0.0] * 3, [0.0] * 3, [-1.0, 0, 0], [1.0, 0, 0]]))
        tensor([1, 0, 3, 2])
    """
    (src, dst), shift = edge_index.numpy(force=True), edge_shift.numpy(force=True)
    # sorted by (i, j, S) and by (j, i, -S), the edges at the same place are each other's reverse
    forth = np.lexsort((*shift.T, src, dst))
    back = np.lexsort((*(-shift.T), dst, src))
    matches = (
        (src[forth] == dst[back]).all() and (dst[forth] == src[back]).all() and (shift[forth] == -shift[back]).all()
    )
    once = (np.diff(np.stack([src[forth], dst[forth], *shift[forth].T])) != 0).any(0).all()
    if not (matches and once):
        raise ValueError(
            "reverse_edges: expected every edge once in each direction, came a graph with edges in one direction only, or several "
            "times. Build it with graph.neighbor_list, or do without edge_reverse."
        )
    reverse = np.empty_like(forth)
    reverse[forth] = back
    return torch.from_numpy(reverse).to(edge_index.device)
