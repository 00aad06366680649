"""Forces that contradict energies are found, with the reason; consistent ones are not suspected."""

import numpy as np
import pytest
from ase import units
from check_data import checked, keep

from eqgraph.check.force_energy import check_force_energy

KCAL = units.kcal / units.mol


def finding(structures, **factors):
    (found,) = check_force_energy(checked([keep(atoms, **factors) for atoms in structures]))
    return found


def test_consistent_labels_are_fine(methanol, copper):
    found = finding(methanol)
    assert found.severity == "ok"
    assert abs(found.numbers["slope"] - 1) < 0.1


@pytest.mark.parametrize(
    ("factors", "reason"),
    [
        ({"forces": -1}, "wrong sign"),
        ({"energy": 1 / units.Hartree}, "energies in Hartree"),
        ({"energy": 1 / units.Hartree, "forces": units.Bohr / units.Hartree}, "energies in Hartree and forces in Hartree/Bohr"),
        ({"energy": 1 / KCAL}, "energies in kcal/mol"),
        ({"forces": 1 / KCAL}, "forces in kcal/mol/Å"),
        ({"forces": units.Bohr / units.Hartree}, "forces in Hartree/Bohr"),
        ({"length": 1 / units.Bohr}, "positions in Bohr"),
        ({"forces": -1 / KCAL}, "wrong sign, and units explain it: forces in kcal/mol/Å"),
    ],
)  # fmt: skip
def test_mistakes_are_errors_with_a_reason(methanol, factors, reason):
    found = finding(methanol, **factors)
    assert found.severity == "error"
    assert reason in found.message


def test_labels_of_other_frames_are_a_warning_only(methanol):
    structures = [keep(atoms) for atoms in methanol]
    rng = np.random.default_rng(0)
    for atoms in structures:
        atoms.calc.results["forces"] = rng.normal(size=(len(atoms), 3))
    (found,) = check_force_energy(checked(structures))
    assert found.severity in ("warning", "info")


def test_too_few_pairs_are_no_evidence(methanol):
    found = finding(methanol[:3], forces=-1)
    assert found.severity == "info"
    assert "Expected 8 pairs" in found.message
