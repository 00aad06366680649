"""The right way to read a file of structures one by one."""

from __future__ import annotations

from pathlib import Path

from .database_source import DatabaseSource
from .extxyz_source import ExtxyzSource
from .frame_source import FramesInMemory, FrameSource
from .prepared import PreparedGraphs
from .read_frames import file_format, require_file

_COMPRESSED = (".gz", ".bz2", ".xz")


def open_source(path: str | Path, keys: dict[str, str] | None = None) -> FrameSource:
    """Structures of a file, or of a folder that `eqgraph prepare` wrote, by their number.

    Args:
        path: extended XYZ, ASE databases (.db, .aselmdb) and prepared folders are read when asked; other formats at once.
        keys: energy_key, forces_key, stress_key of read_frames.

    Raises:
        FileNotFoundError: if there is no such file.
        ImportError: if it is an ASE LMDB and the package that reads these is not installed.
        ValueError: if it is empty or damaged, or for the reasons of read_frames.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "hydrogen.xyz"
        >>> _ = path.write_text("1\\nenergy=-13.6\\nH 0 0 0\\n")
        >>> type(open_source(path)).__name__
        'ExtxyzSource'
    """
    path = Path(path)
    require_file(path)
    return source_class(path)(path, keys)


def source_class(path: Path) -> type[FrameSource]:
    """How a file, which must exist, is read."""
    if path.is_dir():
        return PreparedGraphs
    kind = file_format(path)
    if kind == "extxyz" and path.suffix not in _COMPRESSED:
        return ExtxyzSource
    return DatabaseSource if kind == "db" else FramesInMemory


def is_readable_in_parts(path: Path) -> bool:
    """Whether a file, which must exist, can be read one structure at a time."""
    return source_class(path) is not FramesInMemory
