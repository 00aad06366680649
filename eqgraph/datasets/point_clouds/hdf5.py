"""Arrays of HDF5 files, through h5py, which is optional."""

from pathlib import Path

import numpy as np


def read_hdf5(path: Path, *names: str) -> dict[str, np.ndarray]:
    """Those of the arrays that the file has.

    Args:
        path: the file.
        names: of arrays at the top of the file.

    Raises:
        ImportError: if h5py is not installed.
        ValueError: if the file cannot be read.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"Reading '{path}' needs h5py, which is not installed. Install it with `pip install eqgraph[hdf5]`."
        ) from error
    try:
        with h5py.File(path, "r") as file:
            return {name: file[name][()] for name in names if name in file}
    except OSError as error:
        raise ValueError(f"{path}: expected an HDF5 file, got {error}. Copy it again.") from error


def read_labels(path: Path, num_classes: int | None = None) -> np.ndarray:
    """(clouds,) classes of the clouds of a file.

    Args:
        path: the file, with an array "label".
        num_classes: how many classes have names; None: nobody knows.

    Raises:
        ImportError: if h5py is not installed.
        ValueError: if there are no labels, or they are not whole numbers from 0 to num_classes - 1.
    """
    label = read_hdf5(path, "label").get("label")
    if label is None or label.dtype.kind not in "iu" or label.ndim not in (1, 2) or label.size != len(label):
        raise ValueError(
            f"{path}: expected an array 'label' of one whole number per cloud, got "
            f"{'none' if label is None else f'{label.dtype} of shape {label.shape}'}. Choose another file."
        )
    label = label.reshape(-1).astype(np.int64)
    if num_classes is not None and len(label) and not 0 <= label.min() <= label.max() < num_classes:
        raise ValueError(
            f"{path}: expected labels from 0 to {num_classes - 1} for {num_classes} named classes, got {label.min()} to "
            f"{label.max()}. Correct shape_names.txt."
        )
    return label
