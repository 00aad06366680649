"""Read a file for checking: what is wrong with one frame is a finding, and does not end the reading."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import ase
import ase.io
from ase.io.formats import filetype

from eqgraph.datasets import Frame
from eqgraph.datasets.read_frames import frame_from_atoms, read_structures

from .data_file import DataFile
from .finding import Finding

CHECK = "reading"


def read_file(path: str | Path, keys: Mapping[str, str]) -> tuple[DataFile, list[Finding]]:
    """All structures of a file that can be read, with those of their labels that are whole, and what is wrong with the others.

    Args:
        path: any file that ase.io.read reads.
        keys: "energy", "forces" and "stress" -> under which name they are stored.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if nothing in it can be read.
    """
    broken: list[tuple[int, str]] = []
    try:
        structures = list(enumerate(read_structures(path)))
    except ValueError as error:
        structures = list(_one_by_one(Path(path), broken))
        if not structures:
            raise
        broken = broken or [(0, str(error))]
    if not structures:
        raise ValueError(f"Expected structures in '{path}', came none. Choose another file or repair this one.")
    frames: list[Frame] = []
    problems = [("frame", index, message) for index, message in broken]
    for index, atoms in structures:
        frame, found = _frame(atoms, index, keys, str(path))
        problems += [(name, index, message) for name, message in found]
        if frame is not None:
            frames.append(frame)
    findings = list(_grouped(problems, str(path), len(structures) + len(broken)))
    return DataFile(str(path), frames, [atoms for _, atoms in structures]), findings


def _frame(
    atoms: ase.Atoms, index: int, keys: Mapping[str, str], source: str
) -> tuple[Frame | None, list[tuple[str, str]]]:
    """The frame with its good labels (None if the structure itself is bad), and what is wrong."""
    try:
        return frame_from_atoms(atoms, index, dict(keys), source), []
    except (ValueError, TypeError):
        pass  # which labels are wrong is found one by one
    try:
        frame_from_atoms(atoms, index, {}, source)
    except (ValueError, TypeError) as error:
        return None, [("structure", str(error))]
    good, problems = {}, []
    for name, key in keys.items():
        try:
            frame_from_atoms(atoms, index, {name: key}, source)
            good[name] = key
        except (ValueError, TypeError) as error:
            problems.append((name, str(error)))
    return frame_from_atoms(atoms, index, good, source), problems


def _grouped(problems: Sequence[tuple[str, int, str]], file: str, num_frames: int) -> Iterator[Finding]:
    """One finding for all frames with the same problem: messages that differ in numbers only."""
    groups: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for name, index, message in problems:
        kind = re.sub(r"-?\d[\d.e+-]*|'[^']*'|\[.*\]", "#", message)
        groups.setdefault((name, kind), []).append((index, message))
    for (name, _), members in groups.items():
        message = members[0][1]
        if len(members) > 1:
            message += f" So it is in {len(members)} of {num_frames} frames."
        yield Finding("error", CHECK, message, file, tuple(index for index, _ in members), {"what": name})


def _one_by_one(path: Path, broken: list[tuple[int, str]]) -> Iterator[tuple[int, ase.Atoms]]:
    """Frames of an XYZ file whose readers stumbled over one of them; `broken` gets frame and reason of the others."""
    if not path.is_file() or path.stat().st_size == 0 or filetype(str(path), guess=True) not in ("extxyz", "xyz"):
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    start = index = 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        where = f"{path}, frame {index}, line {start + 1}"
        count = lines[start].strip()
        if not count.isdecimal():
            broken.append(
                (
                    index,
                    f"{where}: expected the number of atoms, came {count!r:.60}. Repair the file; the rest was not read.",
                )
            )
            return
        block = lines[start : start + int(count) + 2]
        if len(block) < int(count) + 2:
            broken.append(
                (
                    index,
                    f"{where}: expected {count} atoms, came {max(len(block) - 2, 0)}: the file was cut off. Write it again.",
                )
            )
            return
        try:
            yield index, ase.io.read(io.StringIO("".join(block)), 0, format="extxyz")
        except Exception as error:  # ASE's readers raise whatever their parsing runs into
            broken.append(
                (
                    index,
                    f"{where}: expected extended XYZ, came {type(error).__name__}: {error}. Repair or remove the frame.",
                )
            )
        start, index = start + len(block), index + 1
