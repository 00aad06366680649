"""All tests of a potential on one structure."""

from collections.abc import Callable

import ase
import numpy as np
import torch

from eqgraph.datasets import frames_from_atoms
from eqgraph.graph import edge_vectors, from_ase
from eqgraph.models import Potential

from .backend import measure_backend
from .batch import measure_batch
from .drift import measure_drift
from .extensivity import measure_extensivity
from .finite import measure_finite
from .forces import measure_forces
from .inversion import measure_inversion
from .permutation import measure_permutation
from .response import measure_response
from .result import SelftestResult
from .rotation import measure_rotation
from .smoothness import measure_smoothness
from .stress import measure_stress
from .subject import Subject
from .tolerances import RELATIVE
from .translation import measure_translation

TESTS: dict[str, Callable[[Subject], SelftestResult]] = {
    "finite": measure_finite,
    "response": measure_response,
    "rotation": measure_rotation,
    "inversion": measure_inversion,
    "translation": measure_translation,
    "permutation": measure_permutation,
    "batch": measure_batch,
    "extensivity": measure_extensivity,
    "cutoff": measure_smoothness,
    "F = -dE/dx": measure_forces,
    "stress": measure_stress,
    "NVE drift": measure_drift,
    "backend": measure_backend,
}
"""Name -> test, in the order of the table."""

_FEWEST_STEPS = 10
_CLOSEST = 0.3
"""Å; no atoms come closer, those of hydrogen being 0.74 apart. A cell this thin has thousands of neighbors."""


def run_selftest(
    potential: Potential,
    atoms: ase.Atoms,
    *,
    tolerance_scale: float = 1.0,
    md_steps: int = 100,
    step: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[SelftestResult]:
    """Measure whether a potential obeys physics on a structure.

    Args:
        potential: it is copied; its floating-point type decides on tolerances.
        atoms: the structure, lengths in Å. Constraints and velocities are not used.
        tolerance_scale: factor on all tolerances.
        md_steps: steps of molecular dynamics, at least 10.
        step: called with the name of the test that begins, how many are done and how many there are.

    Returns:
        One result per test. If predictions are not finite numbers, that alone fails, and the others are not applicable.

    Raises:
        ValueError: if the potential does not know a species, no two atoms are within its cutoff, atoms are closer than 0.3 Å, the
            structure is none, or the potential computes in another floating-point type than float32 and float64.

    Example:
        >>> from ase.build import molecule
        >>> from eqgraph.models import build_potential
        >>> potential = build_potential("nequip", {"num_layers": 1, "num_features": 4}, [1, 8], 4.0, [-13.6, -2041.8], [1.0, 1.0], 2.0)
        >>> {result.test: result.verdict for result in run_selftest(potential, molecule("H2O"))}["rotation"]
        'pass'
    """
    _check(potential, atoms, tolerance_scale, md_steps)
    subject = Subject(potential, atoms, tolerance_scale, md_steps)
    results: list[SelftestResult] = []
    for number, (name, measure) in enumerate(TESTS.items()):
        step(name, number, len(TESTS))
        if results and results[0].verdict == "fail":
            results.append(SelftestResult(name, note="there are no finite numbers to compare"))
        else:
            results.append(measure(subject))
    return results


def _check(potential: Potential, atoms: ase.Atoms, tolerance_scale: float, md_steps: int) -> None:
    if potential.dtype not in RELATIVE:
        raise ValueError(
            f"run_selftest: expected a network in float32 or float64, got {potential.dtype}. Convert it with potential.float()."
        )
    if not 0 < tolerance_scale < float("inf"):
        raise ValueError(f"run_selftest: expected a tolerance_scale above 0, got {tolerance_scale}. 1 is usual.")
    if md_steps < _FEWEST_STEPS:
        raise ValueError(f"run_selftest: expected at least {_FEWEST_STEPS} md_steps, got {md_steps}. 100 are usual.")
    frames_from_atoms([atoms], require=(), source="run_selftest")
    potential.species_index(torch.tensor(atoms.numbers, device=potential.species.device))
    data = from_ase(atoms, potential.cutoff)
    if not data.num_edges:
        raise ValueError(
            f"run_selftest: expected at least two atoms within the cutoff of {potential.cutoff:g} Å, got {len(atoms)} "
            f"atom{'s' if len(atoms) > 1 else ''} ({atoms.get_chemical_formula()}) without neighbors: there is nothing to test. Give a "
            "structure in which atoms interact."
        )
    shortest = float(edge_vectors(data.pos, data.cell[0], data.edge_index, data.edge_shift).norm(dim=-1).min())
    if shortest < _CLOSEST:
        raise ValueError(
            f"run_selftest: expected atoms at least {_CLOSEST} Å apart, got two {shortest:.2g} Å apart (cell lengths "
            f"{np.round(atoms.cell.lengths(), 3).tolist()} Å). Check the units and the cell of the structure."
        )
