"""Uncertainties and range warnings of the ASE calculator."""

import warnings

import ase
import ase.build
import numpy as np
import pytest
import torch
from ase import units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.md.verlet import VelocityVerlet

from eqgraph.calculators import EqgraphCalculator
from eqgraph.graph import from_ase
from eqgraph.models import build_potential
from eqgraph.uncertainty import Committee, CommitteeFactors, LastLayerPotential, LastLayerUncertainty, TrainedRange

CONFIG = {"num_layers": 1, "num_features": 4, "lmax": 1, "radial_hidden": [8]}


def potential():
    return build_potential("nequip", CONFIG, [1, 8], 4.0, [-1.0, -2.0], [0.5, 0.7], 3.0)


def with_last_layer(trained_range=None) -> LastLayerPotential:
    covariance = torch.diag(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    return LastLayerPotential(potential(), LastLayerUncertainty(covariance, 0.1, 0.2), trained_range)


def test_last_layer():
    model, atoms = with_last_layer(), ase.build.molecule("H2O")
    atoms.calc = EqgraphCalculator(model)
    atoms.get_forces()
    assert "energy_uncertainty" not in atoms.calc.results, "costs nothing until it is asked for"
    found = atoms.calc.get_property("energy_uncertainty", atoms)
    expected = model.last_layer.estimate(model.potential.eval(), from_ase(atoms, 4.0))
    assert found == pytest.approx(expected.energy.item(), rel=1e-6)
    np.testing.assert_allclose(atoms.calc.results["energies_uncertainty"], expected.atomic_energies, rtol=1e-5)
    with pytest.raises(PropertyNotImplementedError):
        atoms.calc.get_property("forces_uncertainty", atoms)


def test_a_committee_predicts_means_in_any_dtype():
    members, atoms = [potential(), potential()], ase.build.molecule("H2O")
    calculator = EqgraphCalculator(Committee(members, CommitteeFactors(2.0, 3.0)), dtype="float64", uncertainty=True)
    atoms.calc = calculator
    single = [EqgraphCalculator(member, dtype="float64").get_property("forces", atoms) for member in members]
    np.testing.assert_allclose(atoms.get_forces(), np.mean(single, axis=0), atol=1e-10)
    np.testing.assert_allclose(calculator.results["forces_uncertainty"], 3 * np.std(single, axis=0, ddof=1), atol=1e-10)
    assert calculator.results["energies_uncertainty"].shape == (3,)
    assert all(member.dtype == torch.float32 for member in members), "the calculator has copies"


def test_a_model_without_uncertainty_says_that_it_has_none():
    atoms = ase.build.molecule("H2O")
    atoms.calc = EqgraphCalculator(potential(), uncertainty=True)
    atoms.get_potential_energy()
    assert "energy_uncertainty" not in atoms.calc.results
    with pytest.raises(PropertyNotImplementedError):
        atoms.calc.get_property("energy_uncertainty", atoms)


def test_molecular_dynamics_warns_once_for_a_pair():
    water = ase.build.molecule("H2O")
    trained = TrainedRange.of([from_ase(water, 4.0)], 4.0)
    atoms = water.copy()
    atoms.positions[1:] = atoms.positions[0] + 0.85 * (atoms.positions[1:] - atoms.positions[0])
    atoms.calc = EqgraphCalculator(with_last_layer(trained))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        VelocityVerlet(atoms, 0.1 * units.fs).run(5)
    messages = [str(each.message) for each in caught]
    assert len(messages) == 2
    assert "H-H at" in messages[0]
    assert "came H-O at 0.823 Å, the smallest distance trained on is 0.969 Å" in messages[1]


def test_old_files_warn_of_nothing():
    atoms = ase.build.molecule("H2O")
    atoms.positions *= 0.7
    atoms.calc = EqgraphCalculator(potential())
    atoms.get_potential_energy()  # warnings are errors
