"""How wrong a potential is on each structure, and where the structure comes from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from eqgraph.datasets import Frame, GraphDataset, with_progress

from .evaluate import Evaluation

_LONGEST = 80
"""Letters of a file name; it stands beside thousands of points."""


@dataclass(frozen=True)
class EvaluatedSet:
    """Structures, and what a potential predicts for them."""

    name: str
    dataset: GraphDataset
    evaluation: Evaluation

    @cached_property
    def frames(self) -> list[Frame]:
        """One by one; those on disk are read again."""
        indices = range(len(self.dataset))
        return [self.dataset.frame(index) for index in with_progress(indices, f"Structures of {self.name}")]

    @cached_property
    def places(self) -> list[str]:
        """File and number of each structure, in words for charts."""
        return [f"{file_name(frame)[-_LONGEST:]}, frame {frame.index}" for frame in self.frames]

    @cached_property
    def config_types(self) -> list[str]:
        """Of each structure; empty where the file does not say."""
        return [frame.config_type or "" for frame in self.frames]

    @property
    def energy_errors(self) -> np.ndarray:
        """(S,) predicted - true energy per atom [eV/atom], NaN without label."""
        evaluation = self.evaluation
        return (evaluation.energy - evaluation.energy_labels) / evaluation.num_atoms

    @property
    def force_errors(self) -> np.ndarray:
        """(N, 3) predicted - true forces [eV/Å], NaN without label."""
        return self.evaluation.forces - self.evaluation.forces_labels

    @cached_property
    def starts(self) -> np.ndarray:
        """(S,) number of the first atom of each structure."""
        return np.cumsum(self.evaluation.num_atoms) - self.evaluation.num_atoms

    @property
    def force_rmse(self) -> np.ndarray:
        """(S,) root mean squared error of the force components of each structure [eV/Å], NaN without label."""
        squares = np.add.reduceat(np.square(self.force_errors).sum(1), self.starts)
        return np.sqrt(squares / (3 * self.evaluation.num_atoms))

    def worst_atom(self, index: int) -> tuple[int, str, float]:
        """Number, element and length of the force error [eV/Å] of the worst atom of a structure."""
        rows = slice(self.starts[index], self.starts[index] + self.evaluation.num_atoms[index])
        lengths = np.linalg.norm(self.force_errors[rows], axis=1)
        atom = int(np.argmax(lengths))
        return atom, chemical_symbols[self.evaluation.numbers[rows][atom]], float(lengths[atom])


def file_name(frame: Frame) -> str:
    """Of the file that a structure comes from, without the folder.

    Example:
        >>> import ase
        >>> file_name(Frame(ase.Atoms("H"), source="data/train.xyz"))
        'train.xyz'
    """
    return Path(frame.source).name if frame.source else "structures"
