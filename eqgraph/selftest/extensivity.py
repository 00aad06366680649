"""Twice the structure has twice the energy."""

import ase
import numpy as np

from .measurement import Measurement
from .result import SelftestResult
from .subject import Subject

_CUTOFFS_APART = 10
"""Distance of two copies in cutoffs: no network has that many layers."""


def measure_extensivity(subject: Subject) -> SelftestResult:
    """Two copies far apart; of periodic structures cells doubled along each periodic direction, which have the same stress, too."""
    measurements = []
    for axis in np.flatnonzero(subject.atoms.pbc):
        doubled = subject.atoms.repeat([1 + int(axis == other) for other in range(3)])
        measurements += _compare_doubled(subject, doubled)
    if measurements:
        return SelftestResult("extensivity", tuple(measurements), "cells doubled along each periodic direction")
    copy = subject.atoms.copy()
    copy.positions[:, 0] += np.ptp(copy.positions[:, 0]) + _CUTOFFS_APART * subject.cutoff
    return SelftestResult("extensivity", tuple(_compare_doubled(subject, subject.atoms + copy)), "two copies far apart")


def _compare_doubled(subject: Subject, doubled: ase.Atoms) -> list[Measurement]:
    values = subject.values
    return subject.compare(subject.predict(doubled), values._replace(forces=np.tile(values.forces, (2, 1))))
