"""ScanObjectNN: scanned objects, as HDF5 files of 2048 points."""

from pathlib import Path

from .hdf5_clouds import class_names, hdf5_listing
from .listing import Listing

_PREFIXES = {"training_objectdataset": "train", "test_objectdataset": "test"}
_CLASSES = [
    *("bag", "bin", "box", "cabinet", "chair", "desk", "display", "door"),
    *("shelf", "table", "bed", "pillow", "sink", "sofa", "toilet"),
]


def find_scan_object_nn(path: Path) -> list[tuple[Path, str]]:
    """The files and their splits, if the folder, or the file itself, is of this layout."""
    folder, variants = path, None
    if path.is_file():
        folder, variants = path.parent, {_variant(path)}
    elif (path / "main_split").is_dir():
        folder = path / "main_split"
    files = [(file, split) for prefix, split in _PREFIXES.items() for file in sorted(folder.glob(f"{prefix}*.h5"))]
    return [(file, split) for file, split in files if variants is None or _variant(file) in variants]


def list_scan_object_nn(path: Path) -> Listing:
    """The clouds of training_objectdataset*.h5 and test_objectdataset*.h5; masks of the background are left out.

    Args:
        path: a folder such as main_split, the one above it, or either file of a variant: of
            main_split/training_objectdataset_augmentedrot_scale75.h5 for PB_T50_RS, for example.

    Raises:
        ImportError: if h5py is not installed.
        ValueError: if the folder has several variants, or a file cannot be read.

    Reference: Uy et al. 2019, arXiv:1908.04616.
    """
    files = find_scan_object_nn(path)
    if len({_variant(file) for file, _ in files}) > 1:
        raise ValueError(
            f"{path}: expected one variant of ScanObjectNN, got {', '.join(sorted(file.name for file, _ in files))}. Pass the "
            "path of the training file that is meant; the test file is found beside it."
        )
    folder = files[0][0].parent
    return hdf5_listing(files, class_names(folder) or class_names(folder.parent) or _CLASSES)


def _variant(file: Path) -> str | None:
    """What follows the prefix; None for other files."""
    return next((file.stem[len(prefix) :] for prefix in _PREFIXES if file.stem.startswith(prefix)), None)
