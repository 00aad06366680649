"""ShapeNetPart: objects whose points belong to parts, as in PyG's raw folder of ShapeNet."""

import json
from functools import partial
from pathlib import Path

import numpy as np

from .cloud import Cloud
from .listing import SPLITS, Entry, Listing

_CATEGORIES = {
    "02691156": ("Airplane", 4),
    "02773838": ("Bag", 2),
    "02954340": ("Cap", 2),
    "02958343": ("Car", 4),
    "03001627": ("Chair", 4),
    "03261776": ("Earphone", 3),
    "03467517": ("Guitar", 3),
    "03624134": ("Knife", 2),
    "03636649": ("Lamp", 4),
    "03642806": ("Laptop", 2),
    "03790512": ("Motorbike", 6),
    "03797390": ("Mug", 2),
    "03948459": ("Pistol", 3),
    "04099429": ("Rocket", 3),
    "04225987": ("Skateboard", 3),
    "04379243": ("Table", 3),
}
"""Folder: name and number of parts; the parts of all categories are counted through."""


def find_shape_net_part(path: Path) -> list[Path]:
    """The lists of the splits, if the folder is of this layout."""
    return sorted((_root(path) / "train_test_split").glob("shuffled_*_file_list.json"))


def list_shape_net_part(path: Path) -> Listing:
    """Files <synset>/*.txt of columns x y z nx ny nz part, with the splits of train_test_split/*.json.

    Clouds are labelled by category, points by part; a part is called by its category and its number: "Bag/4".

    Args:
        path: the folder, or the one above its folder raw.

    Raises:
        ValueError: if a split names a file that is not there, or is of an unknown category.

    Reference: Yi et al. 2016, doi:10.1145/2980179.2980238.
    """
    root, synsets = _root(path), list(_CATEGORIES)
    entries = []
    for listed in find_shape_net_part(path):
        split = listed.stem.removeprefix("shuffled_").removesuffix("_file_list")
        for name in json.loads(listed.read_text()):
            relative = Path(*Path(name).parts[1:]).with_suffix(".txt")  # the first is the folder of the authors
            synset = relative.parts[0]
            if synset not in _CATEGORIES or not (root / relative).is_file():
                raise ValueError(
                    f"{listed}: expected files of the 16 categories of ShapeNetPart, got '{relative}', which "
                    f"{'does not exist' if synset in _CATEGORIES else 'is of another one'}. Copy the data again."
                )
            load = partial(_read, root / relative)
            entries.append(Entry(relative.as_posix(), SPLITS.get(split, split), synsets.index(synset), load))
    classes: list[str] = []
    parts: list[list[int]] = []
    for name, num_parts in _CATEGORIES.values():
        parts.append(list(range(len(classes), len(classes) + num_parts)))
        classes += [f"{name}/{part}" for part in parts[-1]]
    return Listing(entries, classes, [name for name, _ in _CATEGORIES.values()], parts)


def _root(path: Path) -> Path:
    return path / "raw" if (path / "raw" / "train_test_split").is_dir() else path


def _read(path: Path) -> Cloud:
    try:
        table = np.array(path.read_text().split(), dtype=np.float64).reshape(-1, 7)
    except ValueError as error:
        raise ValueError(
            f"{path}: expected rows x y z nx ny nz part, got {error}. Choose the data with normals "
            "(shapenetcore_partanno_segmentation_benchmark_v0_normal), or repair the file."
        ) from error
    labels = table[:, 6].astype(np.int64)
    if (labels != table[:, 6]).any():
        raise ValueError(f"{path}: expected whole numbers as parts in the last column, got others. Repair the file.")
    return Cloud(table[:, :3], normals=table[:, 3:6], point_labels=labels)
