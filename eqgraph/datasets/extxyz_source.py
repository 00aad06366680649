"""Extended XYZ by the number of the frame."""

from __future__ import annotations

import io
import os
from pathlib import Path

import ase
import numpy as np
from ase.io.extxyz import read_extxyz

from .frame_source import FrameSource
from .xyz_frames import check_xyz


class ExtxyzSource(FrameSource):
    """Frames of an extended XYZ file, found by the bytes at which they begin: 8 bytes of memory for each.

    Args:
        path: of the file, not compressed.
        keys: energy_key, forces_key, stress_key of read_frames.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is empty, or a line that should hold a number of atoms does not: names the line.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "hydrogen.xyz"
        >>> _ = path.write_text("1\\nenergy=-13.6\\nH 0 0 0\\n" * 3)
        >>> len(source := ExtxyzSource(path)), source.frame(2).index, source.frame(2).energy
        (3, 2, -13.6)
    """

    def __init__(self, path: str | Path, keys: dict[str, str] | None = None) -> None:
        super().__init__(path, keys)
        check_xyz(self.path)
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
    """Where the frames begin, and where the last one ends."""
    offsets, position, number = [], 0, 0  # position in bytes, number of lines read
    with path.open("rb") as file:
        line = file.readline()
        while line.strip():
            offsets.append(position)
            try:
                num_atoms = int(line)
            except ValueError:
                raise ValueError(
                    f"Expected the number of atoms of frame {len(offsets) - 1} in line {number + 1} of '{path}', got "
                    f"{line.decode(errors='replace').strip()!r:.60}. The frame before may have fewer lines than it says: repair it."
                ) from None
            position += len(line)
            number += 1
            for _ in range(num_atoms + 1):
                position += len(file.readline())
            number += num_atoms + 1
            while (line := file.readline()).lstrip().startswith(b"VEC"):  # cell vectors of an older convention
                position += len(line)
                number += 1
        offsets.append(position)
        while line and not line.strip():
            line = file.readline()
        if line:
            raise ValueError(
                f"Expected frames without empty lines between them in '{path}', got one in line {number + 1}. Remove it."
            )
    if len(offsets) == 1:
        raise ValueError(f"Expected structures in '{path}', got none. Write the file again.")
    return np.array(offsets, dtype=np.int64)
