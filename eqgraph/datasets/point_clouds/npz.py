"""One npz file per split, all clouds in one array."""

import zipfile
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from .cloud import Cloud
from .listing import SPLITS, Entry, Listing

_OWN = {"points", "num_points", "scale", "label", "classes", "name", "features", "irreps"}
"""Arrays that mean something here; further ones of one value per cloud are metadata."""


def find_npz(path: Path) -> list[Path]:
    """The files, if the folder, or the file itself, is of this layout."""
    candidates = [path] if path.is_file() else sorted(path.glob("*.npz"))
    return [file for file in candidates if file.suffix == ".npz" and {"points", "label"} <= set(_keys(file))]


def list_npz(path: Path) -> Listing:
    """train.npz, test.npz, ...: the name of a file is that of its split.

    Arrays: points (clouds, n, 3), or (total, 3) with num_points (clouds,) for clouds of different size; scale: coordinates
    are points · scale; label: (clouds,) class of a cloud, or one per point, shaped as points; classes: their names; and
    optionally name (clouds,), features (shaped as points, dim columns) with irreps, and any (clouds,)-shaped metadata.

    Args:
        path: a folder with such files, or one of them.

    Raises:
        ValueError: if arrays are missing or do not fit together, or the files have different classes.
    """
    files = [_File(file) for file in find_npz(path)]
    for file in files[1:]:
        if file.classes != files[0].classes:
            differing = sorted(set(file.classes) ^ set(files[0].classes))
            raise ValueError(
                f"{file.path}: expected the classes of {files[0].path.name}, in their order, got others"
                f"{' (' + ', '.join(differing) + ')' if differing else ', or another order'}. Write all files with the same "
                "array 'classes'."
            )
    return Listing([entry for file in files for entry in file.entries()], files[0].classes, _categories(files))


class _File:
    """The arrays of a file, checked against each other; points and features are read when a cloud is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file, np.load(file) as arrays:  # without pickles: reading runs no code
                self.small = {key: arrays[key] for key in arrays.files if key not in ("points", "features")}
        except _BROKEN as error:
            raise _not_npz(path, error) from error
        label, self.is_flat = self.small["label"], "num_points" in self.small
        if label.dtype.kind not in "iu" or label.ndim > 2:
            raise ValueError(
                f"{path}: expected labels of shape (clouds,) that are indices of classes, got {label.dtype} of shape "
                f"{label.shape}. Write them as int64."
            )
        self.num_clouds = len(self.small["num_points" if self.is_flat else "label"])
        self.per_point = label.ndim == 2 or (self.is_flat and len(label) != self.num_clouds)
        self.label = label.reshape(-1).astype(np.int64)
        num_labels = int(self.label.max(initial=-1)) + 1
        self.classes = [str(name) for name in self.small.get("classes", np.arange(num_labels))]
        if num_labels > len(self.classes) or self.label.min(initial=0) < 0:
            raise ValueError(
                f"{path}: expected labels from 0 to {len(self.classes) - 1} for its {len(self.classes)} classes, got "
                f"{self.label.min()} to {self.label.max()}. Add names to 'classes' or repair the labels."
            )

    def entries(self) -> list[Entry]:
        stem = self.path.stem
        names = self.small.get("name", [f"cloud {index}" for index in range(self.num_clouds)])
        others = {
            key: array for key, array in self.small.items() if key not in _OWN and array.shape == (self.num_clouds,)
        }
        return [
            Entry(
                f"{self.path.name}: {names[index]}",
                SPLITS.get(stem.lower(), stem),
                0 if self.per_point else int(self.label[index]),
                partial(self._load, index),
                {key: array[index] for key, array in others.items()},
            )
            for index in range(self.num_clouds)
        ]

    def _load(self, index: int) -> Cloud:
        points, features, starts = self._large
        rows = slice(starts[index], starts[index + 1])
        irreps = str(self.small["irreps"]) if "irreps" in self.small else None
        return Cloud(
            points[rows] * self.small.get("scale", np.ones((), points.dtype)),
            None,
            None if features is None else features[rows],
            irreps,
            self.label[rows] if self.per_point else None,
        )

    @cached_property
    def _large(self) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """Points (total, 3) and features (total, dim) of all clouds, and where each cloud begins."""
        try:
            with self.path.open("rb") as file, np.load(file) as arrays:
                points, features = arrays["points"], arrays["features"] if "features" in arrays.files else None
        except _BROKEN as error:
            raise _not_npz(self.path, error) from error
        if points.dtype.kind not in "iuf":
            raise ValueError(f"{self.path}: expected numbers as points, got {points.dtype}. Store them as float32.")
        if points.ndim != (2 if self.is_flat else 3):
            raise ValueError(
                f"{self.path}: expected points of shape (clouds, n, 3), or (total, 3) with num_points (clouds,), got "
                f"{points.shape} {'with' if self.is_flat else 'without'} num_points. Write them so."
            )
        sizes = self.small["num_points"].astype(np.int64) if self.is_flat else np.full(len(points), points.shape[1])
        if self.is_flat and (sizes.sum() != len(points) or sizes.min(initial=0) < 0):
            raise ValueError(
                f"{self.path}: expected num_points that add up to the {len(points)} points, got a sum of {sizes.sum()}. Write "
                "them again."
            )
        if len(sizes) != self.num_clouds or (self.per_point and len(self.label) != sizes.sum()):
            raise ValueError(
                f"{self.path}: expected labels of shape ({len(sizes)},), one per cloud, or {points.shape[:-1]}, one per point, got "
                f"{self.small['label'].shape}. Write them again."
            )
        if features is not None and features.shape[:-1] != points.shape[:-1]:
            raise ValueError(
                f"{self.path}: expected features of shape {(*points.shape[:-1], 'dim')}, one row per point, got {features.shape}. "
                "Write them again."
            )
        flat = None if features is None else features.reshape(-1, features.shape[-1])
        return points.reshape(-1, points.shape[-1]), flat, np.concatenate([[0], np.cumsum(sizes)])


_BROKEN = (ValueError, OSError, zipfile.BadZipFile)


def _not_npz(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path}: expected an npz file of numbers and strings, got {error}. Write it again.")


def _keys(path: Path) -> Sequence[str]:
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return list(arrays.files)
    except _BROKEN:
        return []


def _categories(files: list[_File]) -> list[str]:
    return ["all"] if any(file.per_point for file in files) else []
