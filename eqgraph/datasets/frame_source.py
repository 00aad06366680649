"""Structures by their number, without reading them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import ase
import numpy as np
from torch_geometric.data import Data

from .atoms_dataset import labelled_graph
from .frame import Frame
from .progress import with_progress
from .read_frames import frames_from_atoms, read_frames, require_file


class FrameSource(ABC):
    """Structures with labels that are read when they are asked for, in any order and from any process.

    Processes that get a copy (forked or pickled) open the file again. A structure is checked, as in read_frames, when it is read.

    Args:
        path: of the file.
        keys: energy_key, forces_key and so on of read_frames; those that are missing have its defaults.

    Attributes:
        is_cheap: whether reading a graph costs about as little as looking it up.
    """

    is_cheap = False

    def __init__(self, path: str | Path, keys: dict[str, str] | None = None) -> None:
        self.path, self.keys = Path(path), dict(keys or {})
        require_file(self.path)

    @abstractmethod
    def __len__(self) -> int:
        """How many structures there are."""

    def place(self, index: int) -> str:
        """Where a structure comes from, in the words of messages."""
        return f"{self.path}, frame {index}"

    def config_types(self) -> set[str]:
        """What kinds of structures the file says that there are; reads all."""
        frames = with_progress(map(self.frame, range(len(self))), f"Kinds of structures in {self.path.name}", len(self))
        return {frame.config_type for frame in frames if frame.config_type is not None}

    @abstractmethod
    def read(self, index: int) -> ase.Atoms:
        """One structure as ASE reads it; errors of any kind if the file is damaged there."""

    def frame(self, index: int) -> Frame:
        """One structure with its labels.

        Raises:
            ValueError: if it cannot be read, or for the reasons of frames_from_atoms. Names the file and the frame.
        """
        try:
            atoms = self.read(index)
        except Exception as error:  # ASE's readers raise whatever their parsing runs into
            raise ValueError(
                f"{self.path}, frame {index}: expected a structure that ASE reads, got {type(error).__name__}: {error}. Repair the "
                "frame; if the file was changed meanwhile, start again."
            ) from error
        return frames_from_atoms([atoms], **self.keys, require=(), source=str(self.path), first=index)[0]

    def graph(self, index: int, cutoff: float) -> Data:
        """The labelled graph of one structure, see GraphDataset.

        Raises:
            ValueError: for the reasons of `frame` and of from_ase.
        """
        return labelled_graph(self.frame(index), cutoff)

    def frame_and_graph(self, index: int, cutoff: float) -> tuple[Frame, Data]:
        """Both, reading once."""
        frame = self.frame(index)
        return frame, labelled_graph(frame, cutoff)


class FramesInMemory(FrameSource):
    """Structures of a file of which no part can be read alone."""

    def __init__(self, path: str | Path, keys: dict[str, str] | None = None) -> None:
        super().__init__(path, keys)
        self._frames = read_frames(self.path, **self.keys, require=())

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, index: int) -> ase.Atoms:
        return self._frames[index].atoms

    def frame(self, index: int) -> Frame:
        return self._frames[index]


class JoinedFrames(FrameSource):
    """Several files, one after the other."""

    def __init__(self, sources: Sequence[FrameSource]) -> None:
        self.sources = list(sources)
        self.path, self.is_cheap = sources[0].path, all(source.is_cheap for source in sources)
        self._ends = np.cumsum([len(source) for source in sources])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, index: int) -> ase.Atoms:
        source, index = self._at(index)
        return source.read(index)

    def frame(self, index: int) -> Frame:
        source, index = self._at(index)
        return source.frame(index)

    def graph(self, index: int, cutoff: float) -> Data:
        source, index = self._at(index)
        return source.graph(index, cutoff)

    def frame_and_graph(self, index: int, cutoff: float) -> tuple[Frame, Data]:
        source, index = self._at(index)
        return source.frame_and_graph(index, cutoff)

    def place(self, index: int) -> str:
        source, index = self._at(index)
        return source.place(index)

    def config_types(self) -> set[str]:
        return set().union(*(source.config_types() for source in self.sources))

    def _at(self, index: int) -> tuple[FrameSource, int]:
        which = int(np.searchsorted(self._ends, index, side="right"))
        return self.sources[which], index - (int(self._ends[which - 1]) if which else 0)
