"""One structure of a file."""

import re
from pathlib import Path

from eqgraph.datasets import Frame, open_source


def read_structure(text: str) -> Frame:
    """The structure that "file" (its first one) or "file@index" stands for; negative indices count from the end.

    Args:
        text: file in any format that ASE reads. A file whose own name ends in @number is meant by that name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it has no such structure, or for the reasons of open_source.

    Example:
        >>> import ase, ase.io, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.xyz"
        >>> ase.io.write(path, [ase.Atoms("H"), ase.Atoms("O")])
        >>> str(read_structure(f"{path}@-1").atoms.symbols)
        'O'
    """
    path, index = Path(text), 0
    found = re.fullmatch(r"(.+)@(-?\d{1,18})", text, re.DOTALL)
    if found and not path.exists():
        path, index = Path(found[1]), int(found[2])
    source = open_source(path)
    if not -len(source) <= index < len(source):
        raise ValueError(
            f"Expected a structure @{index} in '{path}', came a file of {len(source)} structures. Choose 0 to {len(source) - 1}."
        )
    return source.frame(index % len(source))
