"""Point clouds with classes from meshes, scans and arrays."""

from .cloud import Cloud
from .listing import Listing
from .mesh import Mesh
from .off import read_off
from .ply import read_ply
from .point_clouds import PointClouds
from .read import list_point_clouds, read_point_clouds
from .xyz import read_xyz

__all__ = [
    "Cloud",
    "Listing",
    "Mesh",
    "PointClouds",
    "list_point_clouds",
    "read_off",
    "read_ply",
    "read_point_clouds",
    "read_xyz",
]
