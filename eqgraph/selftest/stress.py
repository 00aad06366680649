"""Stress is the derivative of the energy with respect to strain."""

from functools import partial

import ase
import numpy as np

from .finite_differences import RELATIVE, derivatives
from .result import SelftestResult
from .subject import Subject
from .tolerances import RELATIVE as ROUNDING

_STEP = 1e-3


def measure_stress(subject: Subject) -> SelftestResult:
    """σ = dE/dε / V by central differences along six symmetric strains, in float64, and that of the stored type."""
    if not subject.has_stress:
        return SelftestResult("stress", note="not periodic")
    strains = []
    for i in range(3):
        for j in range(i + 1):
            strain = np.zeros((3, 3))
            strain[i, j] = strain[j, i] = 1.0 if i == j else 0.5
            strains.append(strain)
    slopes = derivatives(subject, [partial(_strained, subject.atoms, strain) for strain in strains], _STEP)
    slopes /= subject.atoms.get_volume()
    exact = subject.predict(subject.atoms, exact=True).stress
    measurements = []
    for where, stress, relative in (
        ("", exact, RELATIVE),
        (f" in {subject.dtype_name}", subject.values.stress, RELATIVE + ROUNDING[subject.dtype]),
    ):
        along = np.array([(stress * strain).sum() for strain in strains])
        measurements.append(subject.stress_difference(along - slopes, where, relative))
    return SelftestResult("stress", tuple(measurements), "central differences of float64 energies, six strains")


def _strained(atoms: ase.Atoms, strain: np.ndarray, size: float) -> ase.Atoms:
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ (np.eye(3) + size * strain), scale_atoms=False)
    strained.positions = atoms.positions @ (np.eye(3) + size * strain)
    return strained
