"""What the calculator reports is that of a calculator that searches anew at every step; stresses of atoms; descriptors; dipoles."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.md.langevin import Langevin
from ase.stress import full_3x3_to_voigt_6_stress

from eqgraph.calculators import EqgraphCalculator
from eqgraph.graph import from_ase
from eqgraph.models import build_potential

CONFIG = {"num_layers": 2, "num_features": 4, "radial_hidden": [8], "lmax": 1}


def build(cutoff: float = 3.0, **config):
    return build_potential("nequip", CONFIG | config, [1, 6, 8], cutoff, [-1.0, -2.0, -3.0], [0.3] * 3, 8.0).double()


def crystal() -> Atoms:
    atoms = bulk("C", "diamond", a=3.6, cubic=True).repeat((2, 1, 1))
    atoms.numbers[::3] = 8
    atoms.rattle(0.05, seed=0)
    return atoms


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_dynamics_with_a_skin_has_the_energies_of_the_potential(dtype):
    potential, atoms = build(), crystal()
    atoms.calc = EqgraphCalculator(potential, dtype=dtype, skin=0.5)
    dynamics = Langevin(
        atoms, 1.0 * units.fs, temperature_K=2000, friction=0.05, fixcm=False, rng=np.random.default_rng(0)
    )
    num_edges = set()
    tolerance = {"float64": 1e-12, "float32": 1e-6}[dtype]
    for _ in range(30):
        dynamics.run(1)
        data = from_ase(atoms, potential.cutoff)
        num_edges.add(data.num_edges)
        expected = atoms.calc.potential(data, stress=True, atomic_virials=True)
        energy = atoms.get_potential_energy()
        np.testing.assert_allclose(energy, expected.energy.item(), rtol=tolerance)
        scale = expected.forces.abs().max().item()
        np.testing.assert_allclose(atoms.get_forces(), expected.forces, rtol=0, atol=tolerance * scale)
        stress = full_3x3_to_voigt_6_stress(expected.stress[0].numpy())
        np.testing.assert_allclose(atoms.get_stress(), stress, rtol=0, atol=tolerance * np.abs(stress).max())
    assert 1 < atoms.calc.neighbors.num_builds < 30
    assert len(num_edges) > 5, "edges came and went"


@pytest.mark.parametrize("change", ["positions", "cell", "numbers", "pbc", "fewer atoms"])
def test_whatever_changes_is_computed_anew(change):
    atoms, calculator = crystal(), EqgraphCalculator(build())
    atoms.calc = calculator
    before = atoms.get_potential_energy()
    if change == "positions":
        atoms.positions[0, 0] += 1e-9  # less than the tolerance of many a comparison
    elif change == "cell":
        atoms.set_cell(atoms.cell.array * 1.01, scale_atoms=True)
    elif change == "numbers":
        atoms.numbers[0] = 1
    elif change == "pbc":
        atoms.pbc = False
    else:
        del atoms[0]
        atoms.calc = calculator
    fresh = atoms.copy()
    fresh.calc = EqgraphCalculator(calculator.potential)
    assert atoms.get_potential_energy() != before
    assert atoms.get_potential_energy() == pytest.approx(fresh.get_potential_energy(), rel=1e-13)


def test_results_are_reused_until_something_changes():
    atoms = crystal()
    atoms.calc = EqgraphCalculator(build())
    calls = []
    predict = atoms.calc.potential.predict
    atoms.calc.potential.predict = lambda *args, **options: calls.append(options) or predict(*args, **options)
    atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    atoms.set_initial_charges(np.ones(len(atoms)))  # no result depends on them
    atoms.get_potential_energies()
    assert len(calls) == 1, "the stress comes with the forces"
    atoms.get_stresses()
    assert len(calls) == 2, "those of atoms only when asked for"
    atoms.rattle(0.01)
    atoms.get_forces(), atoms.get_stresses()
    assert len(calls) == 3, "and from then on with the forces"


def test_stresses_of_atoms_sum_to_the_stress():
    atoms = crystal()
    atoms.calc = EqgraphCalculator(build())
    stresses = atoms.get_stresses()
    assert stresses.shape == (len(atoms), 6)
    assert np.abs(stresses).max() > 1e-4
    np.testing.assert_allclose(stresses.sum(0), atoms.get_stress(), rtol=1e-9, atol=1e-14)


def test_a_pair_shares_its_stress_as_ase_does():
    """Between two atoms, ASE's Lennard-Jones potential gives half to either end, and so do we."""
    from ase.calculators.lj import LennardJones

    atoms = Atoms("H2", [[4, 4, 4], [4.6, 4.9, 5.0]], cell=[9, 9, 9], pbc=True)
    atoms.calc = LennardJones(sigma=1.0, rc=3.0)
    theirs, force = atoms.get_stresses(), atoms.get_forces()
    atoms.calc = EqgraphCalculator(build())
    factor = atoms.get_forces()[0, 0] / force[0, 0]
    np.testing.assert_allclose(atoms.get_stresses(), factor * theirs, rtol=1e-9)


def test_stresses_without_a_cell_are_refused():
    atoms = molecule("H2O")
    atoms.calc = EqgraphCalculator(build())
    with pytest.raises(
        PropertyNotImplementedError, match="expected three cell vectors for the stresses, got a cell of"
    ):
        atoms.get_stresses()


def test_dipole_moment_of_a_model_that_predicts_it():
    potential = build(dipole=True)
    atoms = molecule("H2O")
    atoms.calc = EqgraphCalculator(potential)
    expected = potential.eval()(from_ase(atoms, potential.cutoff)).dipole[0]
    np.testing.assert_allclose(atoms.get_dipole_moment(), expected, rtol=1e-12)
    periodic = crystal()
    periodic.calc = atoms.calc
    with pytest.raises(
        PropertyNotImplementedError, match=r"without periodicity for the dipole moment, got pbc=\[True,"
    ):
        periodic.get_dipole_moment()
    assert np.isfinite(periodic.get_forces()).all()


def test_no_dipole_moment_of_a_model_that_predicts_none():
    atoms = molecule("H2O")
    atoms.calc = EqgraphCalculator(build())
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_dipole_moment()


@pytest.mark.parametrize("kind", ["norm", "power"])
@pytest.mark.parametrize("architecture", ["nequip", "tensor_field_network"])
def test_descriptors_do_not_turn_with_the_structure(architecture, kind):
    config = {"num_layers": 2, "num_features": 4, "lmax": 1}
    potential = build_potential(architecture, config, [1, 6, 8], 4.0, [0.0] * 3, [1.0] * 3, 8.0).double()
    atoms, calculator = molecule("CH3CH2OH"), EqgraphCalculator(potential)
    before = calculator.get_descriptors(atoms, kind)
    assert before.shape[0] == len(atoms)
    assert np.ptp(before, axis=0).max() > 1e-3, "atoms differ"
    turned = atoms.copy()
    turned.rotate(50, (1, 2, 3))
    turned.positions *= -1
    turned.positions += 100
    np.testing.assert_allclose(calculator.get_descriptors(turned, kind), before, rtol=1e-8, atol=1e-10)


def test_descriptors_of_the_last_structure():
    atoms, calculator = molecule("H2O"), EqgraphCalculator(build())
    with pytest.raises(ValueError, match="expected atoms, got none, and nothing was calculated before"):
        calculator.get_descriptors()
    atoms.calc = calculator
    atoms.get_forces()
    np.testing.assert_array_equal(calculator.get_descriptors(), calculator.get_descriptors(atoms))
    with pytest.raises(ValueError, match="norm"):
        calculator.get_descriptors(atoms, "length")


def test_a_negative_skin_is_refused():
    with pytest.raises(ValueError, match="expected a skin that is zero or a positive number"):
        EqgraphCalculator(build(), skin=-1.0)


def test_results_are_not_part_of_a_graph():
    atoms = molecule("H2O")
    atoms.calc = EqgraphCalculator(build())
    with torch.no_grad():  # as some programs wrap everything
        forces = atoms.get_forces()
    assert np.abs(forces).max() > 0
