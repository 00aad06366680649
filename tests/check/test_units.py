"""Units of lengths and energies, from the size of the numbers."""

import numpy as np
from ase import units
from check_data import checked, keep

from eqgraph.check.energy_unit import ATOMIC_ENERGIES, check_energy_unit
from eqgraph.check.length_unit import check_length_unit
from eqgraph.check.units import explain_forces, explain_stress


def test_bohr_is_seen_from_bonds(methanol, copper):
    for structures in (methanol, copper):
        (fine,) = check_length_unit(checked(structures))
        (bohr,) = check_length_unit(checked([keep(atoms, length=1 / units.Bohr) for atoms in structures]))
        (twice,) = check_length_unit(checked([keep(atoms, length=units.Bohr) for atoms in structures]))
        assert fine.severity == "ok"
        assert bohr.severity == "warning"
        assert "positions are in Bohr" in bohr.message
        assert "twice" in twice.message


def total_energies(methanol, factor):
    """Of all electrons, in Hartree times a factor: a fraction of a percent below the free atoms."""
    structures = [keep(atoms) for atoms in methanol]
    for atoms in structures:
        free = sum(ATOMIC_ENERGIES[number] for number in atoms.numbers.tolist())
        atoms.calc.results["energy"] = factor * (1.006 * free + 1e-3 * atoms.positions[0, 0])
    return structures


def test_total_energies_tell_their_unit(methanol):
    names = {"Hartree": 1.0, "kcal/mol": units.Hartree * units.mol / units.kcal, "Rydberg": 2.0}
    for name, factor in names.items():
        found, *_ = check_energy_unit(checked(total_energies(methanol, factor)))
        assert found.severity == "warning"
        assert f"look like {name}" in found.message
    found, *_ = check_energy_unit(checked(total_energies(methanol, units.Hartree)))
    assert found.severity == "ok"


def test_other_energies_say_nothing_but_steep_forces_do(methanol):
    (found,) = check_energy_unit(checked([keep(atoms) for atoms in methanol]))
    assert found.severity == "info"
    _, forces = check_energy_unit(checked([keep(atoms, forces=100) for atoms in methanol]))
    assert "kcal/mol/Å" in forces.message


def test_factors():
    assert explain_forces(units.Hartree / units.Bohr) == "forces in Hartree/Bohr"
    assert "energies in Hartree and forces in Hartree/Bohr" in explain_forces(1 / units.Bohr, ("Å",))
    assert explain_forces(7.7) == ""
    assert explain_stress(0.1 * units.GPa) == "stress in kbar"
    assert np.isclose(units.GPa, 1 / 160.2176634)
