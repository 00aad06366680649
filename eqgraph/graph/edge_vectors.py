"""The vectors along the edges of a graph, open or periodic."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def edge_vectors(
    pos: Float[Tensor, "nodes 3"],
    cell: Float[Tensor, "*graphs 3 3"],
    edge_index: Int[Tensor, "2 edges"],
    edge_shift: Float[Tensor, "edges 3"],
    batch: Int[Tensor, " nodes"] | None = None,
) -> Float[Tensor, "edges 3"]:
    """Vectors from the senders to the periodic images of the receivers that the edges stand for.

    edge_vec = pos[dst] - pos[src] + edge_shift · cell    with src, dst = edge_index

    Differentiable in pos and cell.

    Args:
        pos: coordinates [Å].
        cell: cell vectors as rows [Å]: (3, 3), or (graphs, 3, 3) for a batch. Zeros for open structures.
        edge_index: senders and receivers.
        edge_shift: whole numbers of cell vectors between the two.
        batch: the graph that each node belongs to; may be left out for a single graph.

    Returns:
        One vector [Å] per edge.

    Raises:
        ValueError: if there are several cells but no batch.

    Example:
        >>> pos, cell = torch.zeros(1, 3), 2.0 * torch.eye(3)
        >>> edge_vectors(pos, cell, torch.tensor([[0], [0]]), torch.tensor([[0.0, 0.0, -1.0]]))
        tensor([[ 0.,  0., -2.]])
    """
    src, dst = edge_index
    cell, edge_shift = cell.reshape(-1, 3, 3), edge_shift.to(cell.dtype)
    if len(cell) == 1:
        shift = edge_shift @ cell[0]
    elif batch is not None:
        shift = torch.einsum("ei,eij->ej", edge_shift, cell[batch[src]])
    else:
        raise ValueError(
            f"edge_vectors: expected one cell, or batch to say which node has which, got {len(cell)} cells and no "
            "batch. Pass batch=data.batch."
        )
    return pos[dst] - pos[src] + shift
