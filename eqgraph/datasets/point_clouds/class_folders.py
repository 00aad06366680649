"""One folder per class, one file per cloud: ModelNet's meshes, or anything of one's own."""

from functools import partial
from pathlib import Path

import numpy as np

from .cloud import Cloud
from .listing import SPLITS, Entry, Listing
from .off import read_off
from .ply import read_ply
from .xyz import read_xyz


def list_class_folders(path: Path) -> Listing:
    """<class>/<split>/<file> as ModelNet has it, <split>/<class>/<file>, or <class>/<file> without splits.

    Files are .off (meshes), .ply, .npy ((n, 3) points, or with columns of features), .npz (points, optionally normals and
    features with their irreps) and .xyz (columns). Other files are left alone. Classes are numbered in the order of the alphabet, over
    all splits.

    Args:
        path: the folder, or the one above its folder raw.
    """
    root = path / "raw" if (path / "raw").is_dir() else path
    found: list[tuple[str, str | None, Path]] = []  # class, split, file
    folders = _folders(root)
    splits = [folder for folder in folders if folder.name.lower() in SPLITS]
    for split in splits:
        found += [(folder.name, split.name, file) for folder in _folders(split) for file in _files(folder)]
    if not found:
        for folder in folders:
            found += [(folder.name, None, file) for file in _files(folder)]
            inner = [split for split in _folders(folder) if split.name.lower() in SPLITS]
            found += [(folder.name, split.name, file) for split in inner for file in _files(split)]
    classes = sorted({name for name, _, _ in found})
    entries = [
        Entry(
            file.relative_to(root).as_posix(),
            split and SPLITS[split.lower()],
            classes.index(name),
            partial(_READERS[file.suffix.lower()], file),
        )
        for name, split, file in found
    ]
    return Listing(entries, classes)


def _folders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith((".", "__")))


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.suffix.lower() in _READERS and not file.name.startswith("."))


def _read_npy(path: Path) -> Cloud:
    return Cloud.from_table(_load(path)[""])


def _read_npz(path: Path) -> Cloud:
    arrays = _load(path)
    if "points" not in arrays:
        raise ValueError(
            f"{path}: expected an array 'points' of shape (n, 3), got {', '.join(arrays) or 'none'}. Rename the array."
        )
    irreps = str(arrays["irreps"]) if "irreps" in arrays else None
    return Cloud(arrays["points"], arrays.get("normals"), arrays.get("features"), irreps)


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:  # numpy leaves a file that it cannot read open
            loaded = np.load(file)  # without pickles: reading runs no code
            if isinstance(loaded, np.ndarray):
                return {"": loaded}
            with loaded:
                return {key: loaded[key] for key in loaded.files}
    except Exception as error:  # numpy, zipfile and the tokenizer raise what they run into
        raise ValueError(f"{path}: expected a file of arrays that numpy wrote, got {error}. Write it again.") from error


_READERS = {".npy": _read_npy, ".npz": _read_npz, ".off": read_off, ".ply": read_ply, ".xyz": read_xyz}
