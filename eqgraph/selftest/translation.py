"""Nothing depends on the origin."""

import numpy as np

from .result import SelftestResult
from .subject import Subject

_OFFSETS = {"": np.array([1.234, -2.345, 3.456]), " 100 Å away": np.array([100.0, -100.0, 100.0])}
"""Å"""


def measure_translation(subject: Subject) -> SelftestResult:
    """By a few Å, by 100 Å, and of single atoms by cell vectors."""
    measurements = []
    for where, offset in _OFFSETS.items():
        moved = subject.atoms.copy()
        moved.positions += offset
        measurements += subject.compare(subject.predict(moved), subject.values, where)
    if subject.atoms.pbc.any():
        moved = subject.atoms.copy()
        images = subject.rng.integers(-2, 3, size=(len(moved), 3)) * moved.pbc
        moved.positions += images @ moved.cell.array
        measurements += subject.compare(subject.predict(moved), subject.values, " of other images")
    return SelftestResult("translation", tuple(measurements))
