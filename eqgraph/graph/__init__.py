"""Graphs from coordinates: who is within the cutoff of whom, and the vectors between them."""

from .edge_vectors import edge_vectors
from .fps import fps
from .from_ase import from_ase
from .knn import knn, knn_graph
from .nearest import nearest
from .neighbor_list import MIN_DISTANCE, MIN_THICKNESS, neighbor_list
from .radius import radius, radius_graph
from .reverse_edges import reverse_edges
from .skin_list import Neighbors, SkinNeighborList, moved_within_skin
from .voxel_grid import voxel_grid

__all__ = [
    "MIN_DISTANCE",
    "MIN_THICKNESS",
    "Neighbors",
    "SkinNeighborList",
    "edge_vectors",
    "fps",
    "from_ase",
    "knn",
    "knn_graph",
    "moved_within_skin",
    "nearest",
    "neighbor_list",
    "radius",
    "radius_graph",
    "reverse_edges",
    "voxel_grid",
]
