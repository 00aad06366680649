"""The lines of an extended XYZ file frame by frame, and what ASE's reader would pass over in silence."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from ase.io.formats import open_with_compression

_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|\{[^}]*\}|\[[^\]]*\]')
_KEY = re.compile(r"(?:^|\s)([^\s=]+)\s*=")
_PROPERTIES = re.compile(r'(?:^|\s)"?Properties"?\s*=\s*("[^"]*"|\S+)')
_STRESS = re.compile(r"(?:^|\s)stress\s*=\s*[\"{\[']([^\"}\]']*)")
_PBC = re.compile(r"""(?:^|\s)pbc\s*=\s*("[^"]*"|'[^']*'|\{[^}]*\}|\[[^\]]*\]|\S+)""")


class XYZFrame(NamedTuple):
    """A frame of a file as text."""

    index: int
    line: int
    """Of the file, counted from 1, in which the frame begins."""
    text: str


def xyz_frames(path: Path) -> Iterator[XYZFrame]:
    """The frames of an (extended) XYZ file, which may be compressed; one is in memory at a time.

    Raises:
        ValueError: if a frame does not begin with its number of atoms, is cut off, follows a blank line (where ASE stops reading),
            names a key or a column twice, or has rows of another length than Properties says; names frame and line.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.xyz"
        >>> _ = path.write_text("1\\nenergy=-1.0\\nH 0 0 0\\n" * 2)
        >>> [(frame.index, frame.line) for frame in xyz_frames(path)]
        [(0, 1), (1, 4)]
    """
    with open_with_compression(str(path), "r") as file:
        index, number, first = 0, 1, file.readline()
        while first:
            if not first.strip():
                _check_rest_is_blank(file, f"{path}, line {number}")
                return
            where = f"{path}, frame {index} (line {number})"
            lines, first = _lines(first, file, where)
            yield XYZFrame(index, number, "".join(lines))
            index, number = index + 1, number + len(lines)


def checked_xyz(path: Path) -> Iterator[XYZFrame]:
    """The same, and a text that is not UTF-8 is said to be none.

    Raises:
        ValueError: for the reasons of xyz_frames, or if the text is not UTF-8.
    """
    try:
        yield from xyz_frames(path)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected text in UTF-8, got the byte 0x{error.object[error.start]:02x}. Save the file as UTF-8."
        ) from None


def _lines(first: str, file: IO[str], where: str) -> tuple[list[str], str]:
    """All lines of a frame, of which the first is read already, and the line after it."""
    count = first.strip()
    if not (count.isascii() and count.isdecimal()):
        raise ValueError(
            f"{where}: expected the number of atoms of a frame, got {count!r:.60}. Correct the number of atoms of the frame before, or "
            "repair the file."
        )
    count = int(count[:18])  # more digits are no number of atoms, and take Python long
    comment = file.readline()
    _check_comment(comment, where)
    rows = list(islice(file, count))  # stops at the end of the file, whatever the count says
    if len(rows) < count:
        raise ValueError(
            f"{where}: expected {count} atoms as its first line says, got {len(rows)} before the file ends. The file is cut off: "
            "copy it again, or remove the frame."
        )
    _check_rows(rows, comment, where)
    vectors = []
    while (line := file.readline()).lstrip().startswith("VEC"):  # cell vectors of the dialect of ADF
        vectors.append(line)
    return [first, comment, *rows, *vectors], line


def _check_rest_is_blank(file: IO[str], where: str) -> None:
    if any(line.strip() for line in file):
        raise ValueError(
            f"{where}: expected the number of atoms of a frame, got a blank line, after which more follows that ASE would not read. "
            "Remove the blank line."
        )


def _check_comment(comment: str, where: str) -> None:
    outside = _QUOTED.sub("_", comment)
    if '"' in outside:  # the reader of the values says what is wrong with them
        return
    keys = _KEY.findall(outside)
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(
            f"{where}: expected each key once, got {', '.join(map(repr, twice))} more than once. Keep the right one."
        )
    match = _PBC.search(comment)
    flags = match[1].strip("\"'{}[]").replace(",", " ").split() if match else ["T"] * 3
    if len(flags) != 3 or not {flag.lower() for flag in flags} <= {"t", "f", "true", "false", "1", "0"}:
        raise ValueError(f'{where}: expected pbc="T T T" or the like, got {match[1]}. Correct it.')
    match = _STRESS.search(comment)
    values = match[1].replace(",", " ").split() if match else []
    if len(values) == 9:  # ASE keeps six of them
        try:
            stress = np.array(values, dtype=np.float64).reshape(3, 3)
        except ValueError:
            return
        if np.isfinite(stress).all() and np.abs(stress - stress.T).max() > 1e-6 + 1e-4 * np.abs(stress).max():
            raise ValueError(
                f"{where}: expected a symmetric stress 'stress', got {stress.tolist()}. Remove or repair the frame."
            )


def _check_rows(rows: list[str], comment: str, where: str) -> None:
    match = _PROPERTIES.search(comment)
    if match is None:
        return
    text = match[1].strip('"')
    names, kinds, counts = (text.split(":")[start::3] for start in range(3))
    if not (
        len(names) == len(kinds) == len(counts)
        and set(kinds) <= set("SRIL")
        and all(count.isascii() and count.isdecimal() and int(count[:9]) > 0 for count in counts)
    ):
        raise ValueError(
            f"{where}: expected Properties as name:kind:columns (S, R, I or L), such as species:S:1:pos:R:3, got {text!r:.200}. "
            "Correct it."
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"{where}: expected each column of Properties once, got {', '.join(map(repr, twice))} more than once. Keep the right one."
        )
    if "pos" not in names or not {"species", "Z"} & set(names):
        raise ValueError(
            f"{where}: expected the columns species (or Z) and pos in Properties, got {', '.join(names)}. Rename or add them."
        )
    columns = sum(int(count[:9]) for count in counts)
    for atom, row in enumerate(rows):
        if (came := len(row.split())) != columns:
            raise ValueError(
                f"{where}: expected {columns} columns for atom {atom} as Properties says ({text}), got {came}: {row.strip()!r:.80}. "
                "Repair the row or the number of atoms."
            )
