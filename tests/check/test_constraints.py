"""Constraints in the file, and forces that a constraint zeroed."""

from ase.constraints import FixAtoms
from check_data import checked, keep

from eqgraph.check.constraints import check_constraints


def test_zeroed_forces_are_a_warning_and_constraints_are_named(methanol):
    structures = [keep(atoms) for atoms in methanol]
    (fine,) = check_constraints(checked(structures))
    assert fine.severity == "ok"
    for atoms in structures:
        atoms.set_constraint(FixAtoms([0]))
    (raw,) = check_constraints(checked(structures))
    assert raw.severity == "info"
    assert "FixAtoms" in raw.message
    for atoms in structures:
        atoms.calc.results["forces"] = atoms.get_forces()  # what the constraint makes of them
    zeroed, _ = check_constraints(checked(structures))
    assert zeroed.severity == "warning"
    assert "get_forces(apply_constraint=False)" in zeroed.message
    assert len(zeroed.frames) == len(structures)
