"""Many points to few: over whole graphs, and over the neighbors of chosen points."""

from .global_pool import GlobalPool
from .neighbor_pool import NeighborPool
from .reduction import Reduction

__all__ = ["GlobalPool", "NeighborPool", "Reduction"]
