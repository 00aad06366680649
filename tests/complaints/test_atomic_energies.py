"""E0s: nonsense from data that do not determine them, and energies counted twice."""

import ase
import numpy as np
import pytest

from eqgraph.datasets import Frame, atomic_energies
from eqgraph.graph import from_ase
from eqgraph.models import build_potential

E0 = {1: -13.6, 6: -1026.9, 8: -2037.8}


def frame(symbols: str, index: int = 0, binding: float = -20.0) -> Frame:
    atoms = ase.Atoms(symbols, np.arange(3 * len(ase.Atoms(symbols))).reshape(-1, 3))
    return Frame(atoms, index, energy=sum(E0[number] for number in atoms.numbers) + binding)


def test_a_single_composition_does_not_give_minimum_norm_e0s():
    """MACE compute_average_E0s: of AcAc (C5H8O2 only) least squares give H -808, C -505, O -202 eV; one mean fits as well."""
    frames = [frame("C5H8O2", i, -20 + 0.1 * i) for i in range(10)]
    composition = np.array([[8, 5, 2]])
    minimum_norm = np.linalg.lstsq(composition / 15, [frames[0].energy / 15], rcond=None)[0]
    assert minimum_norm[0] < -500, "the nonsense that is avoided"
    with pytest.raises(
        ValueError, match=r"numbers of H, C, O atoms are tied in all structures \(rank 1 for 3 elements\)"
    ):
        atomic_energies(frames, "least_squares")
    shifts, description = atomic_energies(frames)
    mean = np.mean([f.energy for f in frames]) / 15
    assert shifts == pytest.approx(dict.fromkeys((1, 6, 8), mean))
    assert "the numbers of H, C, O atoms are tied" in description


def test_a_missing_energy_does_not_make_e0s_nan():
    """MACE: a frame without energy made all E0s NaN, or LinAlgError all of them zero with a line in the log."""
    frames = [frame("H2O"), frame("CH4"), frame("CO2"), Frame(ase.Atoms("H2O", np.eye(3)), 3)]
    shifts, _ = atomic_energies(frames, "least_squares")
    binding = {symbols: frame(symbols).energy for symbols in ("H2O", "CH4", "CO2")}
    assert 2 * shifts[1] + shifts[8] == pytest.approx(binding["H2O"])
    assert 4 * shifts[1] + shifts[6] == pytest.approx(binding["CH4"])


def test_isolated_atoms_are_recognized_and_not_averaged_in():
    """mace#994, #1452: E0s are the energies of the isolated atoms, whatever else the file has."""
    atoms = [Frame(ase.Atoms([number]), i, energy=energy) for i, (number, energy) in enumerate(E0.items())]
    shifts, description = atomic_energies([*atoms, frame("H2O", 3), frame("CO2", 4)])
    assert shifts == E0
    assert description.startswith("energies of 3 isolated atoms")


def test_e0s_of_another_method_are_seen():
    """mace#581, fairchem#1648, #1908: total energies beside E0s of another origin are thousands of eV per atom off; it is said."""
    _, description = atomic_energies([frame("H2O")], {"H": 0.0, "O": 0.0})
    assert f"structures have {frame('H2O').energy / 3:.3f} eV/atom on average" in description
    _, description = atomic_energies([frame("H2O")], {"H": -13.6, "O": -2037.8})
    assert f"structures have {-20 / 3:.3f} eV/atom on average" in description


def test_e0s_are_added_once():
    """mace#425, #426, mace-jax#23: the energy of an atom without neighbors is its E0, neither 0 nor twice as much."""
    potential = build_potential(
        "nequip", {"num_layers": 1, "num_features": 2}, [1, 8], 3.0, [-13.6, -2037.8], [0.0, 0.0], 2.0
    ).eval()
    for symbol, energy in (("H", -13.6), ("O", -2037.8), ("HO", -13.6 - 2037.8)):
        atoms = ase.Atoms(symbol, [(0, 0, 0.9 * i) for i in range(len(ase.Atoms(symbol)))])
        assert float(potential(from_ase(atoms, 3.0)).energy) == pytest.approx(energy, abs=1e-9)
