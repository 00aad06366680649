import numpy as np
import pytest
from ase import Atoms

from eqgraph.datasets import Frame, atomic_energies

E0 = {"H": -13.6, "C": -1030.0, "O": -2040.0}


def isolated(symbol, energy, index=0):
    return Frame(Atoms(symbol), index, energy)


def structure(formula, energy=None):
    """A structure whose energy is the sum of E0s, if not told otherwise."""
    atoms = Atoms(formula)
    atoms.positions[:, 0] = np.arange(len(atoms))
    return Frame(atoms, energy=sum(E0[symbol] for symbol in atoms.symbols) if energy is None else energy)


ATOMS = [isolated(symbol, energy) for symbol, energy in E0.items()]
VARIED = [structure(formula) for formula in ("CH4", "H2O", "CO2", "C2H6O")]
SINGLE_COMPOSITION = [structure("C2H6O", -4200.0), structure("C2H6O", -4209.0)]


def test_isolated_atoms():
    shifts, description = atomic_energies([*SINGLE_COMPOSITION, *ATOMS])
    assert shifts == {1: -13.6, 6: -1030.0, 8: -2040.0}
    assert description.startswith("energies of 3 isolated atoms (with them, structures have -2")


def test_isolated_atoms_from_elsewhere():
    assert atomic_energies(SINGLE_COMPOSITION, "isolated", ATOMS).shifts[8] == -2040.0


def test_isolated_atoms_alone():
    assert atomic_energies(ATOMS[:1]) == ({1: -13.6}, "energies of 1 isolated atom")


def test_isolated_atom_in_a_periodic_box():
    copper = Frame(Atoms("Cu", cell=[15] * 3, pbc=True), energy=-0.3)
    crystal = Frame(Atoms("Cu", cell=[[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]], pbc=True), energy=-3.7)
    shifts, description = atomic_energies([copper, crystal])
    assert shifts == {29: -0.3}
    assert description == "energies of 1 isolated atom (with them, structures have -3.400 eV/atom on average)"


@pytest.mark.parametrize("method", ["auto", "least_squares"])
def test_least_squares(method):
    shifts, description = atomic_energies([*VARIED, isolated("H", 5.0)], method)
    assert shifts == pytest.approx({1: -13.6, 6: -1030.0, 8: -2040.0}, abs=1e-8)
    assert "least squares over the compositions of 4 structures" in description
    assert ("no isolated atom of C, O" in description) == (method == "auto")


def test_structures_without_energy_do_not_count():
    unlabelled = Frame(Atoms("H2", [[0, 0, 0], [0, 0, 1]]))
    assert atomic_energies([unlabelled, *VARIED]).shifts[1] == pytest.approx(-13.6)


@pytest.mark.parametrize("method", ["auto", "mean"])
def test_mean(method):
    shifts, description = atomic_energies(SINGLE_COMPOSITION, method)
    mean = (-4200.0 - 4209.0) / 18
    assert shifts == pytest.approx({1: mean, 6: mean, 8: mean})
    assert description.startswith("one shift for all elements: the mean energy per atom of 2 structures")
    assert ("the numbers of H, C, O atoms are tied" in description) == (method == "auto")


def test_mean_of_one_composition_in_several_sizes():
    frames = [structure("CO2", -30.0), structure("C2O4", -66.0)]
    assert atomic_energies(frames).shifts == pytest.approx({6: -10.5, 8: -10.5})


def test_auto_refuses_one_shift_for_several_compositions():
    """Water and ethanol: three E0s from two equations."""
    frames = [structure("H2O", -2070.0), structure("C2H6O", -4200.0)] * 12
    with pytest.raises(
        ValueError,
        match=r"the numbers of H, C, O atoms are tied in all structures \(rank 2 for 3 elements\)\. Give isolated_atoms, or "
        r"the energies of the elements, .* ask for 'mean'",
    ):
        atomic_energies(frames)
    assert len(set(atomic_energies(frames, "mean").shifts.values())) == 1


def test_given():
    shifts, description = atomic_energies(SINGLE_COMPOSITION, {**E0, "N": 0.0})
    assert shifts == {1: -13.6, 6: -1030.0, 8: -2040.0}
    assert description.startswith("as given")


@pytest.mark.parametrize(
    ("formulas", "tied"),
    [
        (["C2H6O"], "H, C, O"),
        (["C2H6O", "CH4O"], "H, C, O"),
        (["CH2", "C2H4", "CH2O"], "H, C"),
        (["C", "CO2H4", "C2O1H2"], "H, O"),
    ],
)
def test_least_squares_refuses_tied_compositions(formulas, tied):
    frames = [structure(formula) for formula in formulas if len(Atoms(formula)) > 1]
    with pytest.raises(ValueError, match=f"in which the numbers of {tied} atoms are tied in all structures"):
        atomic_energies(frames, "least_squares")


def test_isolated_refuses_missing_elements():
    with pytest.raises(ValueError, match=r"got no isolated atom of C, O. Add them"):
        atomic_energies([*VARIED, *ATOMS[:1], Frame(Atoms("O"))], "isolated")


@pytest.mark.parametrize("method", ["auto", "isolated"])
def test_refuses_isolated_atoms_that_disagree(method):
    frames = [*VARIED, isolated("H", -13.6, 7), isolated("H", -13.5, 9)]
    with pytest.raises(ValueError, match=r"isolated H atom, got -13.6 eV in frame 7 and -13.5 eV in frame 9"):
        atomic_energies(frames, method)


def test_refuses_incomplete_mappings():
    with pytest.raises(ValueError, match=r"expected an energy .* of every element in the data, got none of C, O"):
        atomic_energies(VARIED, {"H": -13.6})


@pytest.mark.parametrize("mapping", [{**E0, "Hydrogen": 1.0}, {**E0, "H": float("nan")}], ids=str)
def test_refuses_wrong_mappings(mapping):
    with pytest.raises(ValueError, match="expected chemical symbols with finite energies"):
        atomic_energies(VARIED, mapping)


def test_refuses_unknown_methods():
    with pytest.raises(
        ValueError, match="expected a mapping or one of isolated, least_squares, mean, auto, got 'average'"
    ):
        atomic_energies(VARIED, "average")


@pytest.mark.parametrize("method", ["auto", "least_squares", "mean"])
def test_refuses_data_without_energies(method):
    with pytest.raises(ValueError, match=r"got 1 of which none has one. Check energy_key"):
        atomic_energies([Frame(Atoms("H2", [[0, 0, 0], [0, 0, 1]]))], method)


def test_least_squares_weighs_structures_per_atom():
    data = [("H2", -20.0), ("O2", -200.0), ("H20O10", -1260.0), ("H2O", -122.0)]
    frames = [Frame(Atoms(formula), energy=energy) for formula, energy in data]
    counts = np.array([[(frame.atoms.numbers == number).sum() for number in (1, 8)] for frame in frames], dtype=float)
    size = counts.sum(1, keepdims=True)
    expected = np.linalg.lstsq(counts / size, np.array([energy for _, energy in data]) / size[:, 0], rcond=None)[0]
    shifts = atomic_energies(frames, "least_squares").shifts
    assert [shifts[1], shifts[8]] == pytest.approx(expected.tolist(), rel=1e-12)
