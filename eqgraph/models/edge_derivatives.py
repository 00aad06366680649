"""From the gradient with respect to edge vectors to forces and virials."""

import torch
from jaxtyping import Float
from torch import Tensor

from eqgraph.ops import Edges, segment_sum


def edge_forces(edge_gradient: Float[Tensor, "edges 3"], edges: Edges) -> Float[Tensor, "nodes 3"]:
    """Forces on the nodes of a graph: F_i = Σ_{e: src(e) = i} g_e - Σ_{e: dst(e) = i} g_e.

    Args:
        edge_gradient: g = dE/d(edge_vec) [eV/Å].
        edges: from src to dst, edge_vec pointing the same way.

    Returns:
        Forces [eV/Å], which sum to zero.

    Example:
        >>> edges = Edges.of(torch.tensor([[0], [1]]), 2, 2)
        >>> edge_forces(torch.tensor([[1.0, 0, 0]]), edges)
        tensor([[ 1.,  0.,  0.],
                [-1.,  0.,  0.]])
    """
    return segment_sum(torch.cat([edge_gradient, -edge_gradient]), torch.cat([edges.src, edges.dst]), edges.num_dst)


def strain_gradients(
    edge_vec: Float[Tensor, "edges 3"], edge_gradient: Float[Tensor, "edges 3"]
) -> Float[Tensor, "edges 3 3"]:
    """What each edge adds to dE/dε [eV], ε being a symmetric strain that maps each vector v to (1 + ε) v.

    Example:
        >>> strain_gradients(torch.tensor([[0.0, 2, 0]]), torch.tensor([[0.0, 3, 0]])).sum().item()
        6.0
    """
    product = edge_vec.unsqueeze(2) * edge_gradient.unsqueeze(1)
    return (product + product.mT) / 2


def edge_virials(
    edge_vec: Float[Tensor, "edges 3"], edge_gradient: Float[Tensor, "edges 3"], edges: Edges
) -> Float[Tensor, "nodes 3 3"]:
    """Virials of atoms [eV]: of what each edge adds to the virial -dE/dε, half goes to either end.

    Their sum is the virial of the structure; how it is shared among atoms is a convention, here that of LAMMPS for pairs.

    Example:
        >>> edges = Edges.of(torch.tensor([[0], [1]]), 2, 2)
        >>> edge_virials(torch.tensor([[0.0, 2, 0]]), torch.tensor([[0.0, 3, 0]]), edges)[:, 1, 1]
        tensor([-3., -3.])

    Reference: Thompson, Plimpton, Mattson 2009, doi:10.1063/1.3245303.
    """
    half = strain_gradients(edge_vec, edge_gradient) / -2
    return segment_sum(half, edges.src, edges.num_dst) + segment_sum(half, edges.dst, edges.num_dst)
