"""One cloud of a listing, checked and cut to size."""

import zlib

import numpy as np

from .cloud import Cloud, check_finite, check_points
from .listing import Entry
from .mesh import Mesh

_NUM_SAMPLED = 1024
"""Points that are drawn on a mesh if nobody says how many."""


def load_cloud(
    entry: Entry, index: int, num_points: int | None, normals: bool | None, seed: int, is_shuffled: bool
) -> Cloud:
    """Read a cloud; arguments as for read_point_clouds.

    Args:
        entry: the cloud.
        index: its place in the result, for messages.
        num_points: how many points.
        normals: whether there must be normals.
        seed: of what is drawn at random.
        is_shuffled: whether the first points will do.

    Raises:
        ValueError: if the cloud is broken, or has no normals where they are wanted.

    Example:
        >>> entry = Entry("line", None, 0, lambda: Cloud(np.arange(12.0).reshape(4, 3)))
        >>> load_cloud(entry, 0, num_points=1, normals=None, seed=0, is_shuffled=True).points
        array([[0., 1., 2.]])
    """
    where = f"Cloud {index} ('{entry.name}')"
    rng = np.random.default_rng([seed, zlib.crc32(entry.name.encode(errors="surrogatepass"))])
    cloud = entry.load()
    if isinstance(cloud, Mesh):
        cloud = cloud.sample(_NUM_SAMPLED if num_points is None else num_points, rng, where)
        if not normals:  # those of faces are taken if asked for
            cloud = Cloud(cloud.points)
    check_points(cloud.points, where)
    for what, column in (("normals", cloud.normals), ("features", cloud.features)):
        if column is not None:
            check_finite(column, what, where)
            if column.ndim != 2 or len(column) != len(cloud.points) or (what == "normals" and column.shape[1] != 3):
                raise ValueError(
                    f"{where}: expected {what} of shape ({len(cloud.points)}, {3 if what == 'normals' else 'dim'}), one row per point, "
                    f"got {column.shape}. Write them again."
                )
    if normals and cloud.normals is None:
        raise ValueError(
            f"{where}: expected normals, as normals=True says, got none. Leave normals=True out, or estimate them with "
            "eqgraph.transforms.EstimateNormals."
        )
    if normals is False and cloud.normals is not None:
        cloud = Cloud(cloud.points, None, cloud.features, cloud.irreps, cloud.point_labels)
    if num_points is not None and num_points < len(cloud.points):
        size = len(cloud.points)
        chosen = np.arange(num_points) if is_shuffled else np.sort(rng.choice(size, num_points, replace=False))
        cloud = cloud.take(chosen)
    return cloud
