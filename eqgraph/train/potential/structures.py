"""The structures that a config names: in memory, or read when they are needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from eqgraph.datasets import (
    AtomsDataset,
    Frame,
    FrameSource,
    FrameTable,
    GraphDataset,
    JoinedFrames,
    LazyDataset,
    PreparedGraphs,
    frames_from_atoms,
    is_readable_in_parts,
    open_source,
    read_frames,
    scan_table,
)

LARGE = 50_000_000
"""Bytes of files beyond which structures are not kept in memory; their graphs take 10 to 50 times as much."""
_SHOWN = 100
"""Structures among which keys are looked for."""

InMemory = bool | Literal["auto"]


def read_labelled(paths: Sequence[Path], keys: dict[str, str], *needed: Sequence[str]) -> list[Frame]:
    """All structures of some files; labels may be missing here and there, but not everywhere.

    Args:
        paths: files that ASE reads, or folders that `eqgraph prepare` wrote.
        keys: energy_key, forces_key, stress_key, virial_key, dipole_key.
        *needed: lists of "energy", "forces", "stress", "dipole": of each list at least one structure must have at least one label.

    Raises:
        ValueError: if no structure has such a label; lists the keys that are there. And for the reasons of read_frames.
    """
    frames = [frame for path in paths for frame in _frames(path, keys)]
    molecules = [frame for frame in frames if not frame.is_isolated_atom]
    for names in needed:
        if all(getattr(frame, name) is None for name in names for frame in molecules or frames):
            for path in paths:
                if path.is_dir():
                    _refuse_labels(PreparedGraphs(path, keys), keys, names)
                read_frames(path, **keys, require=names)  # raises, unless there are isolated atoms alone
    return frames


def _frames(path: Path, keys: dict[str, str]) -> list[Frame]:
    if not path.is_dir():
        return read_frames(path, **keys, require=())
    source = PreparedGraphs(path, keys)
    return [source.frame(index) for index in range(len(source))]


class Structures(ABC):
    """Structures of which data sets are made.

    Attributes:
        is_isolated: (structures,) whether each is an isolated atom.
    """

    is_isolated: np.ndarray

    @abstractmethod
    def frame(self, row: int) -> Frame:
        """One of them."""

    @abstractmethod
    def config_types(self) -> set[str]:
        """What kinds of structures there are."""

    @abstractmethod
    def dataset(
        self, cutoff: float, rows: np.ndarray | None = None, config_types: Mapping[str, float] | None = None
    ) -> GraphDataset:
        """Graphs of some of them, or of all; config_types: see eqgraph.datasets.weighted."""


class StructuresInMemory(Structures):
    """Structures that were read."""

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = frames
        self.is_isolated = np.array([frame.is_isolated_atom for frame in frames], dtype=bool)

    def frame(self, row: int) -> Frame:
        return self.frames[row]

    def config_types(self) -> set[str]:
        return {frame.config_type for frame in self.frames if frame.config_type is not None}

    def dataset(
        self, cutoff: float, rows: np.ndarray | None = None, config_types: Mapping[str, float] | None = None
    ) -> AtomsDataset:
        frames = self.frames if rows is None else [self.frames[row] for row in rows.tolist()]
        return AtomsDataset(frames, cutoff, config_types)


class StructuresOnDisk(Structures):
    """Structures of which a table is in memory."""

    def __init__(self, source: FrameSource, table: FrameTable, keep: bool) -> None:
        self.source, self.table, self.is_isolated = source, table, table.is_isolated
        self._cache_bytes = np.inf if keep else None

    def frame(self, row: int) -> Frame:
        return self.source.frame(row)

    def config_types(self) -> set[str]:
        return self.source.config_types()

    def dataset(
        self, cutoff: float, rows: np.ndarray | None = None, config_types: Mapping[str, float] | None = None
    ) -> LazyDataset:
        return LazyDataset(self.source, cutoff, self.table, rows, self._cache_bytes, config_types)


def read_structures(
    paths: Sequence[Path],
    keys: dict[str, str],
    cutoff: float,
    in_memory: InMemory = "auto",
    workers: int = 0,
    *needed: Sequence[str],
) -> Structures:
    """Read structures, or make a table of them in one pass if they are many.

    Args:
        paths: files that ASE reads, or folders that `eqgraph prepare` wrote.
        keys: energy_key, forces_key, stress_key, virial_key, dipole_key.
        cutoff: of the neighbors [Å].
        in_memory: whether to keep all of them; "auto": if the files are small and none is a prepared folder.
        workers: processes for the pass.
        *needed: see read_labelled.

    Raises:
        ValueError: for the reasons of read_labelled; or if in_memory is False and a file can only be read as a whole.
        FileNotFoundError, ImportError: if a file is missing, or the package that reads it.
    """
    there = all(path.exists() for path in paths)  # read_labelled says what is missing
    folders = there and any(path.is_dir() for path in paths)
    whole = [path for path in paths if there and not is_readable_in_parts(path)]
    if in_memory is False and whole:
        raise ValueError(
            f"Expected extended XYZ, ASE databases (.db, .aselmdb) or prepared folders with data.in_memory=false, got '{whole[0]}', "
            "which can only be read as a whole. Run `eqgraph prepare` with it and give the folder, or set data.in_memory=auto."
        )
    small = not there or whole or sum(path.stat().st_size for path in paths) <= LARGE
    if not folders and (in_memory is True or (in_memory == "auto" and small)):
        return StructuresInMemory(read_labelled(paths, keys, *needed))
    sources = [open_source(path, keys) for path in paths]
    tables = [scan_table(source, cutoff, workers) for source in sources]
    source = sources[0] if len(sources) == 1 else JoinedFrames(sources)
    table = tables[0] if len(tables) == 1 else FrameTable.concatenate(tables)
    molecules = table.select(~table.is_isolated) if not table.is_isolated.all() else table
    for names in needed:
        if not any(molecules.num_labels(name) for name in names):
            for each in sources:
                _refuse_labels(each, keys, names)
    return StructuresOnDisk(source, table, keep=in_memory is True)


def _refuse_labels(source: FrameSource, keys: dict[str, str], names: Sequence[str]) -> None:
    """Raise, unless there are isolated atoms alone."""
    if not isinstance(source, PreparedGraphs):
        first = [source.read(index) for index in range(min(len(source), _SHOWN))]
        frames_from_atoms(first, **keys, require=names, source=str(source.path))
    elif not source.table.is_isolated.all():
        asked = ", ".join(f"{name} ({keys.get(f'{name}_key', name)!r})" for name in names)
        raise ValueError(
            f"'{source.path}': expected {asked} in some structure, got none with such a label. Prepare the structures again with "
            "the right keys (--energy-key and so on), or set the weight of this label in the loss to zero."
        )
