"""The two data sets that come as HDF5 files of 2048 points per object: ModelNet40 and ScanObjectNN."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from .cloud import Cloud
from .hdf5 import read_hdf5, read_labels
from .listing import Entry, Listing


def hdf5_entries(files: Sequence[tuple[Path, str]], num_classes: int | None) -> list[Entry]:
    """The clouds of files with arrays data (clouds, n, 3), label (clouds,) and perhaps normal (clouds, n, 3).

    Args:
        files: each with its split.
        num_classes: how many classes have names; None: nobody knows.

    Raises:
        ImportError: if h5py is not installed.
        ValueError: if a file cannot be read or has no such arrays.
    """
    entries = []
    for path, split in files:
        load = _loader(path)
        entries += [
            Entry(f"{path.name}: cloud {index}", split, int(label), lambda load=load, index=index: load(index))
            for index, label in enumerate(read_labels(path, num_classes))
        ]
    return entries


def hdf5_listing(files: Sequence[tuple[Path, str]], classes: Sequence[str] | None) -> Listing:
    """The same as a listing; classes without names are called 0, 1, ..."""
    entries = hdf5_entries(files, None if classes is None else len(classes))
    if classes is None:
        classes = [str(label) for label in range(1 + max((entry.label for entry in entries), default=-1))]
    return Listing(entries, classes, is_shuffled=True)


def class_names(folder: Path) -> list[str] | None:
    """The lines of shape_names.txt, if there is one."""
    file = folder / "shape_names.txt"
    return file.read_text().split() if file.is_file() else None


def _loader(path: Path) -> Callable[[int], Cloud]:
    @cache
    def arrays() -> dict[str, np.ndarray]:
        arrays, num_labels = read_hdf5(path, "data", "normal"), len(read_labels(path))
        for name in ("data", *(["normal"] if "normal" in arrays else [])):
            shape = arrays[name].shape if name in arrays else None
            if shape is None or len(shape) != 3 or shape[0] != num_labels or (name == "normal" and shape[2] != 3):
                raise ValueError(
                    f"{path}: expected an array {name!r} of shape ({num_labels}, n, 3), as many as labels, got {shape}. Choose "
                    "another file."
                )
        return arrays

    def load(index: int) -> Cloud:
        normals = arrays()["normal"][index] if "normal" in arrays() else None
        return Cloud(arrays()["data"][index], normals)

    return load
