"""The structures of a file that could be read, and what the checks look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import ase

from eqgraph.datasets import Frame

from .environment import Environment, environment
from .frame_pairs import FramePair, frame_pairs, spread

QUICK_FRAMES = 400
"""At how many a quick check looks where looking takes long."""


@dataclass(frozen=True, eq=False)
class DataFile:
    """A file, or a list of structures with a name.

    Attributes:
        name: its path.
        frames: structures that are whole, with those of their labels that are.
        structures: all that ASE could read, the broken ones among them.
    """

    name: str
    frames: Sequence[Frame]
    structures: Sequence[ase.Atoms] = field(default=(), repr=False)

    @cached_property
    def molecules(self) -> list[Frame]:
        """Structures that are not isolated atoms."""
        return [frame for frame in self.frames if not frame.is_isolated_atom]


@dataclass(frozen=True, eq=False)
class CheckedData:
    """What a check is given.

    Attributes:
        files: the first is what one trains on.
        keys: "energy", "forces", "stress" -> name of the label.
        cutoff: distance up to which atoms are neighbors [Å].
        quick: whether to look at a sample only where looking at all frames takes long.
        advance: called after each frame whose neighbors were searched.
        refused: file, frame and reason of frames that make no graph, as far as neighbors were searched.
    """

    files: Sequence[DataFile]
    keys: Mapping[str, str]
    cutoff: float = 5.0
    quick: bool = False
    advance: Callable[[], None] = field(default=lambda: None, repr=False)
    refused: list[tuple[str, int, str]] = field(default_factory=list, repr=False)

    def pairs(self, file: DataFile) -> list[FramePair]:
        """Neighboring frames of a file; found once."""
        if id(file) not in self._pairs:
            frames = file.molecules
            if self.quick and len(frames) > QUICK_FRAMES:
                frames = frames[: QUICK_FRAMES // 2] + spread(frames[QUICK_FRAMES // 2 :], QUICK_FRAMES // 2)
            self._pairs[id(file)] = frame_pairs(frames)
        return self._pairs[id(file)]

    @cached_property
    def _pairs(self) -> dict[int, list[FramePair]]:
        return {}

    def environments(self, file: DataFile) -> list[tuple[Frame, Environment]]:
        """Frames of a file with the surroundings of their atoms; found once. Frames that make no graph are left out."""
        if id(file) not in self._environments:
            frames = spread(list(file.frames), QUICK_FRAMES) if self.quick else file.frames
            found = []
            for frame in frames:
                try:
                    found.append((frame, environment(frame, self.cutoff)))
                except ValueError as error:
                    self.refused.append((file.name, frame.index, str(error)))
                self.advance()
            self._environments[id(file)] = found
        return self._environments[id(file)]

    @cached_property
    def _environments(self) -> dict[int, list[tuple[Frame, Environment]]]:
        return {}

    @cached_property
    def frames(self) -> list[Frame]:
        """Of all files."""
        return [frame for file in self.files for frame in file.frames]

    @cached_property
    def molecules(self) -> list[Frame]:
        """Structures of all files that are not isolated atoms."""
        return [frame for file in self.files for frame in file.molecules]
