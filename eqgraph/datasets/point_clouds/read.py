"""Point clouds from every layout that is known."""

import difflib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch_geometric.data import Data

from ..progress import with_progress
from .class_folders import list_class_folders
from .features import stack_features
from .listing import SPLITS, Entry, Listing
from .load import load_cloud
from .model_net_hdf5 import find_model_net_hdf5, list_model_net_hdf5
from .npz import find_npz, list_npz
from .point_clouds import PointClouds, check_classes
from .scan_object_nn import find_scan_object_nn, list_scan_object_nn
from .shape_net_part import find_shape_net_part, list_shape_net_part


class _Format(NamedTuple):
    find: Callable[[Path], object]
    """Something true if a path is of this format."""
    list: Callable[[Path], Listing]
    looks_like: str


_FORMATS = {
    "npz": _Format(find_npz, list_npz, "train.npz, test.npz with arrays points, label and classes"),
    "modelnet_hdf5": _Format(find_model_net_hdf5, list_model_net_hdf5, "ply_data_train*.h5 or train_files.txt"),
    "scanobjectnn": _Format(
        find_scan_object_nn, list_scan_object_nn, "[main_split/]training_objectdataset*.h5, test_objectdataset*.h5"
    ),
    "shapenetpart": _Format(
        find_shape_net_part, list_shape_net_part, "[raw/]train_test_split/shuffled_*_file_list.json and <synset>/*.txt"
    ),
    "folders": _Format(
        lambda path: path.is_dir() and list_class_folders(path).entries,
        list_class_folders,
        "[raw/]<class>/{train,test}/* (ModelNet), {train,test}/<class>/* or <class>/* with .off, .ply, .npy, .npz or .xyz files",
    ),
}


def read_point_clouds(
    path: str | os.PathLike,
    split: str | Sequence[str] | None = None,
    format: str = "auto",
    num_points: int | None = None,
    classes: Sequence[str] | None = None,
    *,
    normals: bool | None = None,
    irreps: str | None = None,
    seed: int = 0,
    transform: Callable[[Data], Data] | None = None,
) -> PointClouds:
    """All clouds of a data set, or of some of its splits and classes.

    Formats: "npz" (train.npz, test.npz), "modelnet_hdf5" (2048 points), "scanobjectnn", "shapenetpart" (a class per point) and
    "folders" (one folder per class: ModelNet's meshes, or files .off, .ply, .npy, .npz, .xyz).

    Classes are numbered over all splits, so those of different splits agree. What is drawn at random depends on the seed and on the
    cloud's name only: a cloud is the same whatever else is read.

    Args:
        path: folder or file.
        split: "train", "valid", "test", or several of them; None: everything.
        format: one of the names above; "auto": the first that fits.
        num_points: points per cloud: drawn on the surface of a mesh (None: 1024); of clouds, the first ones of HDF5 files, whose order
            is random, and random ones of others (None: all). Clouds that have fewer stay as they are.
        classes: only these, numbered in this order.
        normals: None: those that files have become the first features, "1x1o"; True: they must have them, and those of faces are taken
            for meshes; False: none.
        irreps: of the columns of features in .npy and .xyz files, which do not tell: "3x0e" for colors, "1x1o" for normals.
        seed: of what is drawn at random.
        transform: applied to each cloud when it is asked for.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ImportError: if HDF5 files are read without h5py.
        ValueError: if no format fits, there are no such splits or classes, a class is missing in the training split, or a cloud is
            broken: names the file.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("ball", "cube"):
        ...     (folder / name).mkdir()
        ...     np.save(folder / name / "1.npy", np.random.rand(50, 3))
        >>> read_point_clouds(folder, num_points=20)
        PointClouds(2 clouds, 20 points each, 2 classes, irreps_in='')
    """
    path = Path(path)
    if num_points is not None and num_points < 1:
        raise ValueError(f"Expected num_points of at least 1, got {num_points}. Give the number of points per cloud.")
    listing = list_point_clouds(path, format)
    if classes is not None:
        check_classes(classes, listing.label_names, listing.labels_name)
        kept = [entry for entry in listing.entries if listing.label_names[entry.label] in classes]
        listing = Listing(kept, listing.classes, listing.categories, listing.parts, listing.is_shuffled)
    listing.check_splits()
    entries = _of_splits(listing.entries, split, path)
    clouds = [
        load_cloud(entry, index, num_points, normals, seed, listing.is_shuffled)
        for index, entry in enumerate(with_progress(entries, f"Reading {path.name}"))
    ]
    features, irreps_in = stack_features(clouds, entries, irreps)
    common = set.intersection(*(set(entry.metadata) for entry in entries))
    result = PointClouds(
        [cloud.points for cloud in clouds],
        [entry.label for entry in entries],
        listing.classes,
        features=features,
        irreps_in=irreps_in,
        names=[entry.name for entry in entries],
        point_labels=[cloud.point_labels for cloud in clouds] if listing.categories else None,
        categories=listing.categories,
        parts=listing.parts,
        metadata={key: [entry.metadata[key] for entry in entries] for key in sorted(common)},
        transform=transform,
    )
    return result if classes is None else result.select_classes(classes)


def list_point_clouds(path: str | os.PathLike, format: str = "auto") -> Listing:
    """What there is to read, with splits and classes; nothing but labels is read.

    Args:
        path: folder or file.
        format: as in read_point_clouds.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ImportError: if there are HDF5 files, but no h5py.
        ValueError: if no format fits.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> path = Path(tempfile.mkdtemp()) / "train.npz"
        >>> np.savez(path, points=np.zeros((2, 5, 3)), label=[0, 1], classes=["ball", "cube"])
        >>> [entry.split for entry in list_point_clouds(path).entries]
        ['train', 'train']
    """
    path = Path(path)
    if not path.exists():
        siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
        nearest = difflib.get_close_matches(path.name, siblings, n=1)
        hint = f"Did you mean '{path.with_name(nearest[0])}'?" if nearest else "Check the path."
        raise FileNotFoundError(f"Expected a folder of point clouds, got '{path}', which does not exist. {hint}")
    if format != "auto" and format not in _FORMATS:
        raise ValueError(f"Expected format to be auto, {', '.join(_FORMATS)}, got {format!r}. Choose one of them.")
    tried = _FORMATS if format == "auto" else {format: _FORMATS[format]}
    for candidate in tried.values():
        if candidate.find(path):
            return candidate.list(path)
    sought = "; ".join(f"{name}: {candidate.looks_like}" for name, candidate in tried.items())
    there = sorted(child.name for child in path.iterdir())[:8] if path.is_dir() else ["a file"]
    raise ValueError(
        f"{path}: expected point clouds ({sought}), got {', '.join(there) or 'an empty folder'}. Pass the folder that has one of these "
        "layouts."
    )


def _of_splits(entries: Sequence[Entry], split: str | Sequence[str] | None, path: Path) -> list[Entry]:
    names = None if split is None else [split] if isinstance(split, str) else list(split)
    wanted = None if names is None else {SPLITS.get(name.lower(), name) for name in names}
    there = sorted({entry.split for entry in entries if entry.split is not None})
    missing = sorted((wanted or set()) - set(there))
    if missing:
        raise ValueError(
            f"{path}: expected clouds of the split {', '.join(map(repr, missing))}, got {', '.join(there) or 'data without splits'}. "
            f"{'Choose one of these' if there else 'Pass split=None'}."
        )
    chosen = [entry for entry in entries if wanted is None or entry.split in wanted]
    if not chosen:
        raise ValueError(f"{path}: expected point clouds, got none. Check the path.")
    return chosen
