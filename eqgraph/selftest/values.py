"""Predictions that can be compared."""

from typing import NamedTuple

import numpy as np


class Values(NamedTuple):
    """What a potential says of a structure, in float64."""

    energy: float
    """Per atom, without the shifts [eV/atom]: those of electrons in cores would hide the last digits."""
    atomic_energies: np.ndarray
    """(atoms,) likewise [eV]."""
    forces: np.ndarray
    """(atoms, 3) [eV/Å]."""
    stress: np.ndarray | None
    """(3, 3) [eV/Å³]; None for structures that are not periodic."""

    @property
    def are_finite(self) -> bool:
        """Whether none is NaN or infinite."""
        return all(np.isfinite(array).all() for array in self if array is not None)

    def turned(self, rotation: np.ndarray) -> "Values":
        """Those of the structure turned by an orthogonal matrix (3, 3)."""
        stress = None if self.stress is None else rotation @ self.stress @ rotation.T
        return self._replace(forces=self.forces @ rotation.T, stress=stress)
