"""Atoms have no numbers."""

from .result import SelftestResult
from .subject import Subject


def measure_permutation(subject: Subject) -> SelftestResult:
    """Atoms in another order have the same energy, and the same forces in that order."""
    if len(subject.atoms) == 1:
        return SelftestResult("permutation", note="one atom")
    shuffled = subject.rng.permutation(len(subject.atoms))
    measurements = []
    for order in (slice(None, None, -1), shuffled):  # the reverse order is certainly another
        values = subject.values
        expected = values._replace(forces=values.forces[order], atomic_energies=values.atomic_energies[order])
        measurements += subject.compare(subject.predict(subject.atoms[order]), expected)
    return SelftestResult("permutation", tuple(measurements))
