"""Forces are minus the gradient of the energy."""

from functools import partial

import ase
import numpy as np

from .finite_differences import RELATIVE, derivatives
from .result import SelftestResult
from .subject import Subject
from .tolerances import RELATIVE as ROUNDING

_STEP = 1e-3
"""Å"""
_ATOMS, _TOGETHER = 4, 2


def measure_forces(subject: Subject) -> SelftestResult:
    """F = -dE/dx by central differences: a few atoms along x, y and z, and all atoms along random directions.

    Energies that are differentiated are those of the network in float64; so are the forces, and then those of the stored type.
    """
    number = len(subject.atoms)
    chosen = subject.rng.permutation(number)[:_ATOMS].tolist()
    directions = [_unit(number, atom, axis) for atom in chosen for axis in range(3)]
    for _ in range(_TOGETHER):
        direction = subject.rng.normal(size=(number, 3))
        directions.append(direction / np.linalg.norm(direction))
    slopes = derivatives(subject, [partial(_displaced, subject.atoms, direction) for direction in directions], _STEP)
    exact = subject.predict(subject.atoms, exact=True).forces
    measurements = []
    for where, forces, relative in (
        ("", exact, RELATIVE),
        (f" in {subject.dtype_name}", subject.values.forces, RELATIVE + ROUNDING[subject.dtype]),
    ):
        along = np.array([(forces * direction).sum() for direction in directions])
        measurements.append(subject.force_difference(along + slopes, where, relative))
    note = f"central differences of float64 energies, {len(directions)} directions"
    return SelftestResult("F = -dE/dx", tuple(measurements), note)


def _unit(number: int, atom: int, axis: int) -> np.ndarray:
    direction = np.zeros((number, 3))
    direction[atom, axis] = 1.0
    return direction


def _displaced(atoms: ase.Atoms, direction: np.ndarray, distance: float) -> ase.Atoms:
    moved = atoms.copy()
    moved.positions += distance * direction
    return moved
