"""A small data set from an analytic potential, and a config that trains a tiny network on it within a second."""

import shutil
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers

ISOLATED = {"H": -13.0, "O": -2040.0}
TINY = {"num_layers": 1, "num_features": 4, "lmax": 1, "num_radial": 4, "radial_hidden": [8], "cutoff": 4.0}


def labelled(symbols: str, rng: np.random.Generator, cell: float | None = None) -> ase.Atoms:
    """A shaken square of atoms with Morse energies (plus those of isolated atoms), forces and, in a cell, stress."""
    corners = 1.2 * np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0.5, 0.5, 0.8)], dtype=float)
    atoms = ase.Atoms(symbols)
    atoms.positions = corners[: len(atoms)] + rng.normal(scale=0.08, size=(len(atoms), 3))
    if cell is not None:
        atoms.set_cell([cell] * 3)
        atoms.pbc = True
    atoms.calc = MorsePotential(r0=1.2, rho0=3.0, rcut1=2.5, rcut2=3.5)
    results = {"energy": atoms.get_potential_energy() + sum(ISOLATED[symbol] for symbol in atoms.symbols)}
    results["forces"] = atoms.get_forces()
    if cell is not None:
        results["stress"] = atoms.get_stress()
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def isolated_atom(symbol: str) -> ase.Atoms:
    atoms = ase.Atoms([atomic_numbers[symbol]], [(0, 0, 0)])
    atoms.calc = SinglePointCalculator(atoms, energy=ISOLATED[symbol])
    return atoms


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train.xyz (20 structures), test.xyz (5) and isolated_atoms.xyz, to read only."""
    path = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    frames = [labelled("H2O2" if index % 2 else "H3O", rng) for index in range(25)]
    ase.io.write(path / "train.xyz", frames[:20])
    ase.io.write(path / "test.xyz", frames[20:])
    ase.io.write(path / "isolated_atoms.xyz", [isolated_atom("H"), isolated_atom("O")])
    return path


@pytest.fixture
def folder(shared_folder: Path, tmp_path: Path) -> Path:
    """The same files, to change."""
    for file in shared_folder.glob("*.xyz"):
        shutil.copy(file, tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def shared_raw(shared_folder: Path) -> dict:
    return raw_config(shared_folder)


@pytest.fixture
def raw(folder: Path) -> dict:
    return raw_config(folder)


def raw_config(folder: Path) -> dict:
    """What a YAML file for the data in a folder would say."""
    return {
        "data": {
            "train": str(folder / "train.xyz"),
            "valid": 5,
            "test": str(folder / "test.xyz"),
            "isolated_atoms": str(folder / "isolated_atoms.xyz"),
        },
        "model": dict(TINY),
        "training": {"output": str(folder / "run"), "max_epochs": 3, "threads": 1, "device": "cpu"},
    }
