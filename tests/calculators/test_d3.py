"""The D3 dispersion alone and as a sum; slabs and boxes that the library itself gets wrong."""

import copy
import pickle
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.optimize import BFGS
from ase.units import Hartree

from eqgraph.calculators import D3Calculator, EqgraphCalculator, with_dispersion
from eqgraph.models import build_potential

dftd3 = pytest.importorskip("dftd3.ase")


@pytest.fixture(scope="module")
def potential():
    config = {"num_layers": 1, "num_features": 4, "num_radial": 4, "radial_hidden": [8]}
    return build_potential("nequip", config, [1, 6, 8, 29], 4.0, [-1.0, -2.0, -3.0, 0.0], [1.0] * 4, 8.0).double()


def rattled(atoms: Atoms) -> Atoms:
    atoms.rattle(0.1, seed=0)
    return atoms


def test_published_energies():
    """Of the documentation of s-dftd3: water by PBE and TPSS, with the three-body term."""
    water = molecule("H2O")
    for functional, three_body, expected in [("PBE", False, -0.00978192), ("TPSS", False, -0.01144164)]:
        energy = D3Calculator(functional, "d3bj", three_body).get_potential_energy(water)
        assert energy == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("damping", ["d3bj", "d3zero", "d3mbj", "d3mzero", "d3op"])
@pytest.mark.parametrize("atoms", [molecule("C6H6"), bulk("Cu") * (2, 1, 1)], ids=["molecule", "crystal"])
def test_energy_forces_and_stress_are_those_of_the_librarys_own_calculator(damping, atoms):
    atoms = rattled(atoms.copy())
    ours, theirs = D3Calculator("pbe", damping), dftd3.DFTD3(method="pbe", damping=damping)
    assert ours.get_potential_energy(atoms) == pytest.approx(theirs.get_potential_energy(atoms), rel=1e-10)
    np.testing.assert_allclose(ours.get_forces(atoms), theirs.get_forces(atoms), atol=1e-10)
    if atoms.pbc.all():
        np.testing.assert_allclose(ours.get_stress(atoms), theirs.get_stress(atoms), atol=1e-12)


@pytest.mark.parametrize("three_body", [False, True])
def test_the_sum_is_exact(potential, three_body):
    for atoms in (rattled(bulk("Cu", cubic=True)), rattled(molecule("CH3CH2OH", cell=[8, 8, 8], pbc=True))):
        parts = [EqgraphCalculator(potential), D3Calculator("pbe", "d3bj", three_body)]
        atoms.calc = with_dispersion(EqgraphCalculator(potential), three_body=three_body)
        for name in ("energy", "free_energy", "forces", "stress"):
            expected = sum(np.asarray(part.get_property(name, atoms)) for part in parts)
            np.testing.assert_allclose(atoms.calc.get_property(name, atoms), expected, rtol=1e-12, atol=1e-14)
        assert abs(parts[1].results["energy"]) > 0.1


@pytest.mark.parametrize("pbc", [True, False])
def test_forces_and_stress_are_derivatives(potential, pbc):
    atoms = rattled(molecule("H2O", cell=[4, 5, 6], pbc=pbc))
    atoms.cell[1, 2] = 0.7
    atoms.calc = with_dispersion(EqgraphCalculator(potential))
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-4), atol=1e-7)
    np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=1e-5), atol=1e-8)


@pytest.mark.parametrize("third", [0.0, 1.0, 5.0, 100.0])
@pytest.mark.parametrize("height", [0.0, -7.0, 3.3])
def test_the_open_cell_vector_of_a_slab_makes_no_difference(third, height):
    """The library gives NaN for a zero vector, and wraps atoms along a short one: -2.66 instead of -2.39 eV."""
    slab = fcc111("Cu", (2, 2, 2))
    expected = D3Calculator()
    periodic = slab.copy()
    periodic.center(vacuum=60, axis=2)
    periodic.pbc = True
    slab.cell[2, 2] = third
    slab.positions[:, 2] += height
    energy = D3Calculator().get_potential_energy(slab)
    assert energy == pytest.approx(expected.get_potential_energy(periodic), rel=1e-9)
    np.testing.assert_allclose(D3Calculator().get_forces(slab), expected.get_forces(periodic), atol=1e-9)


@pytest.mark.parametrize("pbc", [[True, False, False], [False, True, False], [True, False, True]])
def test_chains_and_slabs_along_any_direction(pbc):
    """Three cells have three times the energy of one, in a cell that is not orthogonal."""
    atoms = rattled(bulk("Cu", "fcc", a=3.6, cubic=True))
    atoms.set_cell(atoms.cell.array @ np.array([[1, 0.1, 0], [0, 1, 0.05], [0.03, 0, 1]]), scale_atoms=True)
    atoms.pbc = pbc
    copies = [3 if periodic else 1 for periodic in pbc]
    energy, of_many = (D3Calculator().get_potential_energy(each) for each in (atoms, atoms * copies))
    assert of_many == pytest.approx(np.prod(copies) * energy, rel=1e-9)


def test_geometries_are_optimized_with_it(potential):
    """ASE's optimizers ask for the free energy."""
    atoms = molecule("H2O")
    atoms.calc = with_dispersion(EMT())
    before = atoms.get_potential_energy()
    BFGS(atoms, logfile=None).run(fmax=0.05, steps=20)
    assert atoms.get_potential_energy() < before - 0.01


def test_the_sign_and_size_of_the_binding_of_argon():
    """Dispersion is what binds noble gases: the C6 coefficient of D3 for Ar is 64.65 Hartree Bohr⁶."""
    pair = Atoms("Ar2", [[0, 0, 0], [0, 0, 15.0]])
    bohr = 15.0 / 0.529177210903
    energy = D3Calculator("pbe", "d3zero").get_potential_energy(pair)
    assert energy == pytest.approx(-64.65 / bohr**6 * Hartree, rel=0.05)


def test_a_stress_without_a_cell_is_refused():
    with pytest.raises(
        PropertyNotImplementedError, match="expected three cell vectors for the stress, got a cell of rank 0"
    ):
        D3Calculator().get_stress(molecule("H2O"))


def test_a_cell_that_cannot_be_periodic_is_refused():
    with pytest.raises(ValueError, match="expected linearly independent cell vectors along the periodic directions"):
        D3Calculator().get_potential_energy(Atoms("H2", [[0, 0, 0], [0, 0, 1]], cell=[3, 3, 0], pbc=True))


def test_elements_without_parameters_are_refused():
    """The library says zero."""
    with pytest.raises(ValueError, match="expected elements between H and Lr, got Rf"):
        D3Calculator().get_potential_energy(Atoms([104, 104], [[0, 0, 0], [0, 0, 3]]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"functional": "pbee"}, ValueError, r"s-dftd3 has parameters of for d3bj, got 'pbee'\. Did you mean 'pbe'\?"),
        ({"functional": "unheard of"}, ValueError, r"got 'unheard of'\. Names are written like pbe"),
        ({"damping": "bj"}, ValueError, r"expected damping among d3bj, .*, got 'bj'\. Choose one of these"),
    ],
)
def test_what_is_unknown_is_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        with_dispersion(EMT(), **arguments)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dftd3", None)
    with pytest.raises(ImportError, match=r'pip install "eqgraph\[d3\]"'):
        with_dispersion(EMT())


def test_copies_give_the_same(potential):
    """Each image of a nudged elastic band has a calculator of its own."""
    calculator = with_dispersion(EqgraphCalculator(potential), three_body=True)
    energies = []
    for one in (calculator, copy.deepcopy(calculator), pickle.loads(pickle.dumps(calculator))):
        atoms = molecule("H2O")
        atoms.calc = one
        energies.append(atoms.get_potential_energy())
    assert energies[0] == energies[1] == energies[2]
