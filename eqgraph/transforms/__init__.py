"""Transforms of point clouds, as PyG has them: for Data, Compose and data sets; without compiled extensions."""

from .estimate_normals import EstimateNormals
from .farthest_points import FarthestPoints
from .grid_sampling import GridSampling
from .jitter import Jitter
from .knn_graph import KNNGraph
from .normalize import Normalize
from .point_dropout import PointDropout
from .protocol import protocol
from .radius_graph import RadiusGraph
from .random_rotation import RandomRotation
from .random_scale import RandomScale
from .sample_points import SamplePoints

__all__ = [
    "EstimateNormals",
    "FarthestPoints",
    "GridSampling",
    "Jitter",
    "KNNGraph",
    "Normalize",
    "PointDropout",
    "RadiusGraph",
    "RandomRotation",
    "RandomScale",
    "SamplePoints",
    "protocol",
]
