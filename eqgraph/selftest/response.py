"""Energies depend on where atoms are."""

import numpy as np

from .measurement import Measurement
from .result import SelftestResult
from .subject import Subject
from .tolerances import RELATIVE

_STRETCH = 1.03


def measure_response(subject: Subject) -> SelftestResult:
    """A structure that is stretched by 3 % has other atomic energies: the difference is more than rounding."""
    stretched = subject.atoms.copy()
    stretched.set_cell(_STRETCH * stretched.cell.array)
    stretched.positions *= _STRETCH
    change = np.abs(subject.predict(stretched).atomic_energies - subject.values.atomic_energies).max()
    least = max(subject.tolerance_scale * RELATIVE[subject.dtype] * subject.scales.energy, np.finfo(float).tiny)
    measurement = Measurement("atomic energies", float(change), float(least), "eV", at_least=True)
    return SelftestResult("response", (measurement,), "change when stretched by 3 %: it must not be zero")
