"""What is computed together does not mix."""

import ase

from .result import SelftestResult
from .subject import Subject


def measure_batch(subject: Subject) -> SelftestResult:
    """A structure between a single atom and a stretched copy of itself has the numbers that it has alone."""
    lone = ase.Atoms(subject.atoms.numbers[:1], cell=subject.atoms.cell, positions=[[0.0, 0.0, 0.0]])
    stretched = subject.atoms.copy()
    stretched.set_cell(1.05 * stretched.cell.array)
    stretched.positions *= 1.05
    _, together, _ = subject.predict_together([lone, subject.atoms, stretched])
    return SelftestResult("batch", tuple(subject.compare(together, subject.values)))
