"""Graphs from coordinates: who is within the cutoff of whom, and the vectors between them."""

from .edge_vectors import edge_vectors
from .from_ase import from_ase
from .neighbor_list import MIN_THICKNESS, neighbor_list
from .reverse_edges import reverse_edges

__all__ = ["MIN_THICKNESS", "edge_vectors", "from_ase", "neighbor_list", "reverse_edges"]
