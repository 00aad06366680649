"""Sign, unit and order of the stress against the energies of strained cells."""

import pytest
from ase import units
from check_data import checked, keep

from eqgraph.check.stress_energy import check_stress_energy
from eqgraph.check.stress_unit import check_stress_unit


def findings(structures, stress, **factors):
    return list(check_stress_energy(checked([keep(atoms, stress=stress, **factors) for atoms in structures])))


def test_consistent_stress_is_fine(copper):
    (found,) = findings(copper, lambda stress: stress)
    assert found.severity == "ok"
    assert abs(found.numbers["slope"] - 1) < 0.05


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda stress: -stress, "wrong sign"),
        (lambda stress: stress / units.GPa, "stress in GPa"),
        (lambda stress: stress / units.GPa * 10, "stress in kbar"),
        (lambda stress: -stress / units.GPa * 10, "wrong sign, and units explain it: stress in kbar"),
    ],
)
def test_mistakes_are_errors_with_a_reason(copper, change, reason):
    (found,) = findings(copper, change)
    assert found.severity == "error"
    assert reason in found.message


def test_virial(copper):
    structures = [keep(atoms, stress=lambda s, atoms=atoms: -s * atoms.get_volume()) for atoms in copper]
    (found,) = check_stress_energy(checked(structures))
    assert "It is a virial (energy) instead: store stress = -virial / volume" in found.message


@pytest.mark.parametrize(
    ("order", "name"),
    [((0, 1, 2, 5, 3, 4), "xx, yy, zz, xy, yz, xz"), ((0, 1, 2, 5, 4, 3), "xx, yy, zz, xy, xz, yz")],
)
def test_order_of_components(copper, order, name):
    """The name says in which order the file has them."""
    found = findings(copper, lambda stress: stress[list(order)])
    assert [finding.check for finding in found if finding.severity == "error"] == ["order of stress components"]
    assert f"only in the order {name}" in found[-1].message


def test_too_few_pairs_are_no_evidence(copper):
    (found,) = findings(copper[:2], lambda stress: -stress)
    assert found.severity == "info"


def test_size_of_the_stress(copper):
    good, bad = ([keep(atoms, stress=lambda s, f=f: s * f) for atoms in copper] for f in (1, 10 / units.GPa))
    (fine,), (large,) = check_stress_unit(checked(good)), check_stress_unit(checked(bad))
    assert fine.severity == "ok"
    assert large.severity == "warning"
    assert "kbar" in large.message
