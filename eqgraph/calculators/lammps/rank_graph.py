"""The graph that one process needs for the atoms that it owns."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from eqgraph.graph import neighbor_list, reverse_edges


class RankGraph(NamedTuple):
    """Owned atoms, those that their forces depend on, and edges between them.

    Each atom is one node, however many of its images a process sees; edges count cell vectors, as in a periodic structure.
    """

    atoms: Tensor
    """(nodes,) which of the engine's atoms each node is, owned ones first."""
    num_owned: int
    """How many of the nodes the process owns."""
    edge_index: Tensor
    """(2, edges) senders and receivers."""
    edge_shift: Tensor
    """(edges, 3) whole numbers of cell vectors."""
    reverse: Tensor
    """(edges,) the edge in the opposite direction, -1 where that is not needed."""


def rank_graph(
    pos: Tensor,
    tags: np.ndarray,
    num_owned: int,
    radius: float,
    cell: Tensor,
    pbc: Tensor,
    num_layers: int,
) -> RankGraph:
    """Edges within a radius that energies of owned atoms, and forces on them, depend on.

    A network of L layers lets an atom i act on energies up to L edges away, each of which depends on atoms up to L edges farther:
    needed are nodes up to 2 L edges away from owned ones, and edges to nodes up to 2 L - 1 away.

    Args:
        pos: (atoms, 3) float64 coordinates [Å] of owned and ghost atoms.
        tags: (atoms,) numbers of the atoms; images of an atom share one.
        num_owned: the first so many are owned.
        radius: edges are shorter than this [Å].
        cell: (3, 3) cell vectors as rows [Å].
        pbc: (3,) which of them are periodic.
        num_layers: L.

    Raises:
        ValueError: as graph.neighbor_list.

    Example:
        >>> pos = torch.arange(5.0).double()[:, None] * torch.tensor([1.0, 0, 0])
        >>> graph = rank_graph(pos, np.arange(1, 6), 1, 1.1, torch.eye(3).double(), torch.zeros(3, dtype=torch.bool), num_layers=1)
        >>> graph.atoms, graph.edge_index
        (tensor([0, 1, 2]), tensor([[1, 0, 2], [0, 1, 1]]))
    """
    atoms = np.unique(tags, return_index=True)[1]  # the first image of each: the owned one where there is one
    atoms.sort()
    num_owned = int(np.searchsorted(atoms, num_owned))
    atoms = torch.from_numpy(atoms)
    edge_index, edge_shift = neighbor_list(pos[atoms], radius, cell, pbc)
    reverse = reverse_edges(edge_index, edge_shift)
    if num_owned == len(atoms):
        return RankGraph(atoms, num_owned, edge_index, edge_shift, reverse)

    src, dst = edge_index
    away = torch.full((len(atoms),), 2 * num_layers + 1)
    away[:num_owned] = 0
    for step in range(2 * num_layers):
        reached = src[away[dst] == step]
        away[reached] = away[reached].clamp(max=step + 1)
    kept_nodes, kept_edges = away <= 2 * num_layers, away[dst] < 2 * num_layers
    node, edge = _renumbered(kept_nodes), _renumbered(kept_edges)
    return RankGraph(
        atoms[kept_nodes],
        num_owned,
        node[edge_index[:, kept_edges]],
        edge_shift[kept_edges],
        edge[reverse[kept_edges]],
    )


def select_edges(edge_index: Tensor, reverse: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Some of the edges, and where their reverse is then."""
    return edge_index[:, kept], _renumbered(kept)[reverse[kept]]


def _renumbered(kept: Tensor) -> Tensor:
    """Old number -> new number, -1 for what is not kept; one more entry, so that the number -1 stays."""
    number = torch.where(kept, kept.cumsum(0) - 1, -1)
    return torch.cat([number, number.new_full((1,), -1)])
