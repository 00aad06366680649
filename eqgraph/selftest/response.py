"""Energies depend on where atoms are."""

import numpy as np

from .measurement import Measurement
from .result import SelftestResult
from .subject import Subject
from .tolerances import RELATIVE


def measure_response(subject: Subject) -> SelftestResult:
    """Atoms that are displaced have another energy: more than rounding could do."""
    change = np.abs(subject.values.atomic_energies - subject.predict(subject.given).atomic_energies).max()
    least = max(RELATIVE[subject.dtype] * subject.scales.energy, np.finfo(float).tiny)
    measurement = Measurement("atomic energies", float(change), float(least), "eV", at_least=True)
    return SelftestResult("response", (measurement,), "change when atoms are displaced by 0.05 Å; it must not be zero")
