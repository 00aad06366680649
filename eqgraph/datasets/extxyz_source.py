"""Extended XYZ by the number of the frame."""

from __future__ import annotations

import io
import os
from itertools import islice
from pathlib import Path

import ase
import numpy as np
from ase.io.extxyz import read_extxyz

from .frame_source import FrameSource
from .xyz_frames import checked_xyz


class ExtxyzSource(FrameSource):
    """Frames of an extended XYZ file, found by the bytes at which they begin: 8 bytes of memory for each.

    Args:
        path: of the file, not compressed.
        keys: energy_key, forces_key, stress_key of read_frames.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is empty, or for the reasons of checked_xyz.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "hydrogen.xyz"
        >>> _ = path.write_text("1\\nenergy=-13.6\\nH 0 0 0\\n" * 3)
        >>> len(source := ExtxyzSource(path)), source.frame(2).index, source.frame(2).energy
        (3, 2, -13.6)
    """

    def __init__(self, path: str | Path, keys: dict[str, str] | None = None) -> None:
        super().__init__(path, keys)
        self._stamp = _stamp(self.path)
        self._offsets = _offsets(self.path)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def read(self, index: int) -> ase.Atoms:
        start, end = self._offsets[index : index + 2].tolist()
        with self.path.open("rb") as file:  # every time: nothing that processes could share by mistake, a few µs
            if _stamp(file.fileno()) != self._stamp:
                raise ValueError("the file was changed after it was opened")
            file.seek(start)
            text = file.read(end - start).decode()
        return next(read_extxyz(io.StringIO(text), slice(0, 1)))


def _stamp(file: Path | int) -> tuple[int, int]:
    status = os.stat(file)
    return status.st_size, status.st_mtime_ns


def _offsets(path: Path) -> np.ndarray:
    """Where the frames begin, and where the last one ends, in bytes."""
    sizes = []
    with path.open("rb") as file:  # where lines end in two bytes, the text says one
        for frame in checked_xyz(path):
            num_lines = frame.text.count("\n") + (not frame.text.endswith("\n"))
            sizes.append(sum(map(len, islice(file, num_lines))))
    if not sizes:
        raise ValueError(f"Expected structures in '{path}', got none. Write the file again.")
    return np.cumsum([0, *sizes], dtype=np.int64)
