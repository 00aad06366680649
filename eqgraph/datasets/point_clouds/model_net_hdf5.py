"""ModelNet40 as HDF5 files of 2048 points per shape (modelnet40_ply_hdf5_2048)."""

from pathlib import Path

from .hdf5_clouds import class_names, hdf5_listing
from .listing import Listing


def find_model_net_hdf5(path: Path) -> list[tuple[Path, str]]:
    """The files and their splits, if the folder is of this layout: listed in train_files.txt, or found by their names."""
    found = []
    for split in ("train", "test"):
        names = path / f"{split}_files.txt"
        if names.is_file():  # it has paths as they were on the machine of its authors
            found += [
                (path / Path(line.strip()).name, split) for line in names.read_text().splitlines() if line.strip()
            ]
        else:
            found += [(file, split) for file in sorted(path.glob(f"ply_data_{split}*.h5"))]
    return found


def list_model_net_hdf5(path: Path) -> Listing:
    """The clouds of ply_data_train*.h5 and ply_data_test*.h5, with the class names of shape_names.txt.

    Args:
        path: the folder.

    Raises:
        ImportError: if h5py is not installed.
        ValueError: if a file that is listed is not there, or cannot be read.

    Reference: Qi et al. 2017, arXiv:1612.00593; Wu et al. 2015, arXiv:1406.5670.
    """
    files = find_model_net_hdf5(path)
    missing = [file.name for file, _ in files if not file.is_file()]
    if missing:
        raise ValueError(
            f"{path}: expected the files that train_files.txt and test_files.txt list, got none called {', '.join(missing)}. "
            "Copy them into the folder."
        )
    return hdf5_listing(files, class_names(path))
