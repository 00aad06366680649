"""Text files with a row x y z ... per point, and the .xyz files of chemistry."""

import os
import warnings
from pathlib import Path

import ase.io
import numpy as np

from .cloud import Cloud


def read_xyz(path: str | os.PathLike) -> Cloud:
    """The points of a text file: columns x y z and features, between blanks or commas, # before comments.

    A file whose first line is a single whole number is taken for (extended) XYZ of atoms, and gives their positions.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is neither.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "points.xyz"
        >>> _ = path.write_text("0.0 0.0 1.0 0.5\\n0.0 1.0 0.0 0.2\\n")
        >>> read_xyz(path).features
        array([[0.5],
               [0.2]])
    """
    text = Path(path).read_text(encoding="latin-1")
    if text.lstrip().partition("\n")[0].strip().isdecimal():
        return Cloud(_positions(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the file is empty: said by whoever asks for points
            table = np.loadtxt(text.replace(",", " ").splitlines(), ndmin=2)
    except ValueError as error:
        raise ValueError(
            f"{path}: expected rows of as many numbers each, x y z and features, got {error}. Repair the file."
        ) from error
    return Cloud.from_table(table)


def _positions(path: str | os.PathLike) -> np.ndarray:
    try:
        structures = ase.io.read(path, ":", format="extxyz")
    except Exception as error:  # ASE's readers raise whatever their parsing runs into
        raise ValueError(
            f"{path}: expected XYZ of atoms, as the number in its first line says, got {type(error).__name__}: {error}. Repair "
            "the file; points need no such line."
        ) from error
    if len(structures) != 1:
        raise ValueError(f"{path}: expected one structure, got {len(structures)}. Write one file per cloud.")
    return structures[0].positions
