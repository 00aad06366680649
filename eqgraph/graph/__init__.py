"""Graphs from coordinates: who is within the cutoff of whom, and the vectors between them."""

from .edge_vectors import edge_vectors
from .from_ase import from_ase
from .neighbor_list import neighbor_list

__all__ = ["edge_vectors", "from_ase", "neighbor_list"]
