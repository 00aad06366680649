"""There are numbers at all."""

from .measurement import Measurement
from .result import SelftestResult
from .subject import Subject


def measure_finite(subject: Subject) -> SelftestResult:
    """None of energy, forces and stress is NaN or infinite, in the stored floating-point type and in float64."""
    values = [subject.predict(atoms, exact) for atoms in (subject.given, subject.atoms) for exact in (False, True)]
    broken = sum(not value.are_finite for value in values)
    return SelftestResult("finite", (Measurement("predictions", float(broken), 0.0, "NaN"),))
