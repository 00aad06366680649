"""Energies do not change when a structure is turned; forces and stress turn with it."""

import ase
import numpy as np
from scipy.spatial.transform import Rotation

from .measurement import Measurement
from .result import SelftestResult
from .subject import Subject

_ROTATIONS = 3


def measure_rotation(subject: Subject) -> SelftestResult:
    """By random proper rotations."""
    measurements: list[Measurement] = []
    for rotation in Rotation.random(_ROTATIONS, rng=subject.rng).as_matrix():
        measurements += turn(subject, rotation)
    return SelftestResult("rotation", tuple(measurements))


def turn(subject: Subject, rotation: np.ndarray) -> list[Measurement]:
    """What an orthogonal matrix (3, 3) changes that it should not."""
    turned: ase.Atoms = subject.atoms.copy()
    turned.set_cell(turned.cell.array @ rotation.T, scale_atoms=False)
    turned.positions = turned.positions @ rotation.T
    return subject.compare(subject.predict(turned), subject.values.turned(rotation))
