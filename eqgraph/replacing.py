"""Files that are either the old ones or the complete new ones, whatever happens while writing."""

from __future__ import annotations

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
    finally:
        temporary.unlink(missing_ok=True)
