"""What a training needs to know of structures without holding them: a row of numbers for each."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from .data_hash import frame_digest
from .frame import Frame

LABELS = ("energy", "forces", "stress", "dipole")
"""Labels whose presence is counted, one bit each in this order."""


class FrameRow(NamedTuple):
    """One structure in a FrameTable."""

    index: int  # in its file
    num_edges: int
    energy: float  # eV, NaN if there is none
    forces_square: float  # Σ |F|², (eV/Å)²; NaN if there are no forces
    labels: int  # bit i: there is the label LABELS[i]
    is_isolated: bool
    digest: bytes  # SHA-256, see data_hash
    composition: bytes  # pairs of atomic number and count, int32, sorted by number

    @classmethod
    def of(cls, frame: Frame, num_edges: int = 0) -> FrameRow:
        """The row of a frame with so many edges."""
        numbers, counts = np.unique(frame.atoms.numbers, return_counts=True)
        return cls(
            frame.index,
            num_edges,
            math.nan if frame.energy is None else frame.energy,
            math.nan if frame.forces is None else float(np.square(frame.forces.ravel()).sum()),
            sum((getattr(frame, name) is not None) << bit for bit, name in enumerate(LABELS)),
            frame.is_isolated_atom,
            frame_digest(frame),
            np.stack([numbers, counts], axis=1).astype("<i4").tobytes(),
        )


@dataclass(frozen=True, eq=False)
class FrameTable:
    """Rows of many structures as arrays, about 100 bytes each; its statistics are those of the structures.

    Attributes:
        index: (frames,) place of each frame in its file.
        num_atoms, num_edges: (frames,) of each graph.
        energy: (frames,) eV, NaN where there is none.
        forces_square: (frames,) sum of the squared force components in (eV/Å)², NaN where there are none.
        labels: (frames,) bit i: there is the label LABELS[i].
        is_isolated: (frames,) see Frame.is_isolated_atom.
        digest: (frames, 32) SHA-256 of each frame.
        ptr: (frames + 1,) where the composition of each frame begins.
        number, count: (entries,) an element of a frame and how many atoms of it there are.

    Example:
        >>> import ase
        >>> table = FrameTable.of([Frame(ase.Atoms("OH2"), energy=-2079.0), Frame(ase.Atoms("H"), energy=-13.6)])
        >>> table.species, table.num_atoms.tolist(), table.num_labels("energy"), table.counts([1, 8]).tolist()
        ([1, 8], [3, 1], 2, [[2, 1], [1, 0]])
    """

    index: np.ndarray
    num_atoms: np.ndarray
    num_edges: np.ndarray
    energy: np.ndarray
    forces_square: np.ndarray
    labels: np.ndarray
    is_isolated: np.ndarray
    digest: np.ndarray
    ptr: np.ndarray
    number: np.ndarray
    count: np.ndarray

    @classmethod
    def from_rows(cls, rows: Iterable[FrameRow]) -> FrameTable:
        """The table of these rows."""
        types = [np.int64, np.int64, np.float64, np.float64, np.uint8, np.bool_]
        columns, digests, compositions = [bytearray() for _ in types], bytearray(), bytearray()
        ptr = bytearray(np.zeros(1, np.int64).tobytes())
        for row in rows:
            for column, kind, value in zip(columns, types, row[:6], strict=True):
                column += kind(value).tobytes()
            digests += row.digest
            compositions += row.composition
            ptr += np.int64(len(compositions) // 8).tobytes()
        index, num_edges, *others = (np.frombuffer(column, kind) for column, kind in zip(columns, types, strict=True))
        pairs, ptr = np.frombuffer(compositions, "<i4").reshape(-1, 2), np.frombuffer(ptr, np.int64)
        number, count = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
        digest = np.frombuffer(digests, np.uint8).reshape(-1, 32)
        return cls(index, _sums(count, ptr), num_edges, *others, digest, ptr, number, count)

    @classmethod
    def of(cls, frames: Iterable[Frame], num_edges: Iterable[int] | None = None) -> FrameTable:
        """The table of frames; num_edges: of their graphs, where these are known."""
        frames = list(frames)
        edges = [0] * len(frames) if num_edges is None else num_edges
        return cls.from_rows(FrameRow.of(frame, number) for frame, number in zip(frames, edges, strict=True))

    @classmethod
    def concatenate(cls, tables: list[FrameTable]) -> FrameTable:
        """One table after the other."""
        ends = np.cumsum([0, *(len(table.number) for table in tables)])
        ptr = [table.ptr[1:] + end for table, end in zip(tables, ends, strict=False)]
        columns = {name: np.concatenate([getattr(table, name) for table in tables]) for name in cls.names()}
        return cls(**columns | {"ptr": np.concatenate([np.zeros(1, np.int64), *ptr])})

    @classmethod
    def names(cls) -> list[str]:
        """Of the arrays."""
        return [field.name for field in fields(cls)]

    def __len__(self) -> int:
        return len(self.num_atoms)

    def select(self, rows: np.ndarray) -> FrameTable:
        """The table of some rows: their numbers, or a mask."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else np.asarray(rows, np.int64)
        sizes = np.diff(self.ptr)[rows]
        ptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        entries = np.repeat(self.ptr[:-1][rows] - ptr[:-1], sizes) + np.arange(ptr[-1])
        columns = {name: getattr(self, name) for name in self.names()}
        chosen = {name: column[rows] for name, column in columns.items() if name not in ("ptr", "number", "count")}
        return FrameTable(**chosen, ptr=ptr, number=self.number[entries], count=self.count[entries])

    def counts(self, species: list[int]) -> np.ndarray:
        """(frames, species) how many atoms of each of these elements there are; others are left out."""
        counts = np.zeros((len(self), len(species)), np.int64)
        frame = np.repeat(np.arange(len(self)), np.diff(self.ptr))
        for column, number in enumerate(species):
            found = self.number == number
            counts[frame[found], column] = self.count[found]
        return counts

    def rows_with(self, name: str) -> np.ndarray:
        """(frames,) whether there is this label."""
        return self.labels >> LABELS.index(name) & 1 == 1

    def num_labels(self, name: str) -> int:
        """How many frames have this label."""
        return int(self.rows_with(name).sum())

    def rows_beyond(self, species: list[int]) -> np.ndarray:
        """Rows with elements that are not among these."""
        unknown = np.flatnonzero(~np.isin(self.number, species))
        return np.unique(np.searchsorted(self.ptr, unknown, side="right") - 1)

    @property
    def species(self) -> list[int]:
        """Atomic numbers that occur, sorted."""
        return np.unique(self.number).tolist()

    @property
    def avg_num_neighbors(self) -> float:
        """Edges per atom over all structures but isolated atoms; 1 if there are no edges at all: one divides by it."""
        num_edges = int(self.num_edges[~self.is_isolated].sum())
        return num_edges / int(self.num_atoms[~self.is_isolated].sum()) if num_edges else 1.0

    @property
    def forces_rms(self) -> float:
        """Root mean square of the force components [eV/Å], isolated atoms left out; NaN if no structure has forces."""
        rows = self.rows_with("forces") & ~self.is_isolated
        components = 3 * int(self.num_atoms[rows].sum())
        return math.sqrt(math.fsum(self.forces_square[rows]) / components) if components else math.nan

    @property
    def data_hash(self) -> str:
        """See eqgraph.datasets.data_hash."""
        return hashlib.sha256(self.digest.tobytes()).hexdigest()


def _sums(values: np.ndarray, ptr: np.ndarray) -> np.ndarray:
    """Of each segment."""
    total = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    return np.diff(total[ptr])
