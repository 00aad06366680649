"""From ase.Atoms to a graph."""

import ase
import torch
from torch_geometric.data import Data

from .edge_vectors import edge_vectors
from .neighbor_list import MIN_DISTANCE, neighbor_list
from .reverse_edges import reverse_edges


def from_ase(atoms: ase.Atoms, cutoff: float) -> Data:
    """The graph of a structure: all pairs of atoms within the cutoff, periodic images included.

    Labels, constraints and calculators are left alone: see eqgraph.datasets.

    Args:
        atoms: the structure, lengths in Å.
        cutoff: edges are shorter than this [Å].

    Returns:
        Data with pos (nodes, 3) float64 [Å], atomic_numbers (nodes,) int64, cell (1, 3, 3) float64 [Å] (zeros without a
        cell), pbc (1, 3) bool, edge_index (2, edges) int64, edge_shift (edges, 3) float64 and edge_reverse (edges,) int64:
        how many edges further on the same edge in the opposite direction is, a number that stays right in a batch.
        Batches have one cell per graph.

    Raises:
        ValueError: if neighbor_list refuses the structure, or two atoms are at the same place.

    Example:
        >>> from ase.build import bulk
        >>> data = from_ase(bulk("Cu"), cutoff=3.0)
        >>> data.num_nodes, data.num_edges
        (1, 12)
    """
    pos = torch.tensor(atoms.positions, dtype=torch.float64)
    cell = torch.tensor(atoms.cell.array, dtype=torch.float64)
    pbc = torch.tensor(atoms.pbc, dtype=torch.bool)
    edge_index, edge_shift = neighbor_list(pos, cutoff, cell, pbc)
    distance = edge_vectors(pos, cell, edge_index, edge_shift).norm(dim=-1)
    if (distance < MIN_DISTANCE).any():
        src, dst = edge_index[:, distance.argmin()].tolist()
        raise ValueError(
            f"from_ase: expected atoms at different places, got atoms {src} ({atoms.symbols[src]}) and {dst} "
            f"({atoms.symbols[dst]}) {distance.min():.1e} Å apart. Remove one of them."
        )
    return Data(
        pos=pos,
        atomic_numbers=torch.tensor(atoms.numbers, dtype=torch.int64),
        cell=cell.unsqueeze(0),
        pbc=pbc.unsqueeze(0),
        edge_index=edge_index,
        edge_shift=edge_shift,
        edge_reverse=reverse_edges(edge_index, edge_shift) - torch.arange(edge_index.shape[1]),
    )
