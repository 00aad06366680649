"""Dispersion that is always on, or that loses what the potential computes."""

import numpy as np
import pytest
from ase.build import bulk, molecule

from eqgraph.calculators import EqgraphCalculator, with_dispersion
from eqgraph.models import build_potential

pytest.importorskip("dftd3")


@pytest.fixture(scope="module")
def calculator():
    config = {"num_layers": 1, "num_features": 2, "num_radial": 4, "radial_hidden": [4]}
    return EqgraphCalculator(build_potential("nequip", config, [1, 8, 29], 4.0, [0.0] * 3, [1.0] * 3, 8.0).double())


@pytest.mark.parametrize("name", ["functional", "damping"])
@pytest.mark.parametrize("word", ["False", "True", "no", "off", ""])
def test_a_word_that_looks_like_a_switch_is_refused(calculator, name, word):
    """mace#1053: dispersion='False' was true, and every energy had dispersion in it."""
    with pytest.raises(ValueError, match=rf"expected .*, got '{word}'"):
        with_dispersion(calculator, **{name: word})


def test_the_three_body_switch_is_no_word(calculator):
    """mace#1053."""
    with pytest.raises(
        TypeError, match="three_body"
    ):  # of the checker of annotations in tests, of the calculator elsewhere
        with_dispersion(calculator, three_body="False")


def test_results_are_complete_after_the_energy(calculator):
    """mace#315: with dispersion, the forces were missing from calc.results after get_potential_energy."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.calc = with_dispersion(calculator)
    atoms.get_potential_energy()
    assert {"energy", "free_energy", "forces"} <= set(atoms.calc.results)
    forces = atoms.calc.results["forces"]
    atoms.get_stress()
    assert {"energy", "free_energy", "forces", "stress"} <= set(atoms.calc.results)
    np.testing.assert_array_equal(atoms.get_forces(), forces)


def test_molecules_without_a_cell(calculator):
    """janus-core#625: dispersion needed a periodic structure."""
    atoms = molecule("H2O")
    atoms.calc = with_dispersion(calculator)
    alone = calculator.get_potential_energy(molecule("H2O"))
    assert -0.02 < atoms.get_potential_energy() - alone < -0.005
    assert np.isfinite(atoms.get_forces()).all()
