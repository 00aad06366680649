import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.constraints import FixAtoms
from ase.md.velocitydistribution import thermalize_momenta
from ase.md.verlet import VelocityVerlet
from ase.stress import voigt_6_to_full_3x3_stress

from eqgraph.calculators import EqgraphCalculator
from eqgraph.models import build_potential, save_potential


@pytest.fixture
def potential():
    config = {"num_layers": 2, "num_features": 4, "radial_hidden": [8]}
    return build_potential("nequip", config, [1, 6, 8], 4.0, [-1.0, -2.0, -3.0], [0.3, 0.3, 0.3], 8.0).double()


def test_energies_add_up_to_the_energy(potential):
    atoms = molecule("CH3CH2OH")
    atoms.calc = EqgraphCalculator(potential)
    assert np.isclose(atoms.get_potential_energies().sum(), atoms.get_potential_energy(), rtol=1e-12)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()


def test_stress_is_that_of_ase_finite_differences(potential):
    from ase.calculators.fd import calculate_numerical_stress

    atoms = bulk("C", "diamond", a=3.6)
    atoms.rattle(0.05, seed=0)
    atoms.calc = EqgraphCalculator(potential)
    numerical = calculate_numerical_stress(atoms, eps=1e-5)
    np.testing.assert_allclose(
        atoms.get_stress(voigt=False), voigt_6_to_full_3x3_stress(numerical), rtol=1e-5, atol=1e-9
    )


def test_stress_without_a_cell_is_refused(potential):
    atoms = molecule("H2O")
    atoms.calc = EqgraphCalculator(potential)
    with pytest.raises(
        PropertyNotImplementedError, match="expected three cell vectors for the stress, got a cell of rank 0"
    ):
        atoms.get_stress()


def test_constraints_act_on_what_ase_reports_only(potential):
    atoms = molecule("H2O")
    atoms.calc = EqgraphCalculator(potential)
    free = atoms.get_forces()
    atoms.set_constraint(FixAtoms([0]))
    assert (atoms.get_forces()[0] == 0).all()
    np.testing.assert_array_equal(atoms.calc.results["forces"], free)


def test_total_energy_is_conserved_in_microcanonical_dynamics(potential):
    atoms = molecule("CH3CH2OH")
    atoms.calc = EqgraphCalculator(potential)
    thermalize_momenta(atoms, 300, rng=np.random.default_rng(0))
    dynamics = VelocityVerlet(atoms, 0.25 * units.fs)
    totals = []
    dynamics.attach(lambda: totals.append(atoms.get_total_energy()))
    dynamics.run(100)
    assert np.ptp(totals) / len(atoms) < 1e-4
    assert np.ptp(atoms.get_positions()) > 0


def test_a_model_file_gives_the_same_numbers(potential, tmp_path):
    save_potential(tmp_path / "model.eqg", potential)
    energies = []
    for model in (potential, tmp_path / "model.eqg", str(tmp_path / "model.eqg")):
        atoms = molecule("H2O")
        atoms.calc = EqgraphCalculator(model)
        energies.append(atoms.get_potential_energy())
    assert len(set(energies)) == 1


def test_dtype_of_the_network_can_be_chosen(potential):
    calculator = EqgraphCalculator(potential, dtype="float32")
    assert calculator.potential.dtype == torch.float32
    with pytest.raises(ValueError, match="expected dtype 'float32' or 'float64', got 'half'"):
        EqgraphCalculator(potential, dtype="half")


def test_the_potential_itself_stays_as_it_is(potential):
    potential.train()
    EqgraphCalculator(potential, dtype="float32")
    assert potential.training
    assert potential.dtype == torch.float64


def test_an_unknown_species_is_named(potential):
    atoms = Atoms("N2", [[0, 0, 0], [0, 0, 1.1]])
    atoms.calc = EqgraphCalculator(potential)
    with pytest.raises(ValueError, match=r"got N\. Train a potential"):
        atoms.get_potential_energy()


def test_a_refused_structure_leaves_no_results_of_another(potential):
    calculator = EqgraphCalculator(potential)
    calculator.calculate(molecule("H2O"), ["energy"])
    assert calculator.results
    with pytest.raises(ValueError, match="expected atoms at different places"):
        calculator.calculate(Atoms("H2", [[0, 0, 0], [0, 0, 0]]), ["energy"])
    assert calculator.results == {}
