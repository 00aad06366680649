"""Files that are either the old ones or the complete new ones, whatever happens while writing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` only if the block ends without an exception.

    The content is on the disk before the name points to it, so that not even a power cut leaves half a file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "numbers.csv")
        >>> with replacing(path) as temporary:
        ...     _ = temporary.write_text("1,2")
        >>> path.read_text()
        '1,2'
    """
    path = Path(path)
    # the suffix stays at the end: writers choose the format by it
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def left_behind(path: str | Path) -> list[Path]:
    """What `replacing(path)` left in processes that were killed; the name may be a pattern.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / ".numbers.4711.csv").touch()
        >>> [file.name for file in left_behind(folder / "numbers.csv")]
        ['.numbers.4711.csv']
    """
    path = Path(path)
    return sorted(path.parent.glob(f".{path.stem}.[0-9]*{path.suffix}"))


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk, too, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
