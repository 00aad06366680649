"""A training of a second, for complaints about trainings."""

import ase
import ase.io
import numpy as np
import pytest
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator


@pytest.fixture
def raw(tmp_path) -> dict:
    """20 structures with Morse energies, and the config of a tiny network."""
    rng, frames = np.random.default_rng(0), []
    for _ in range(20):
        corners = 1.2 * np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], dtype=float)
        atoms = ase.Atoms("H2O2", corners + rng.normal(scale=0.08, size=(4, 3)))
        atoms.calc = MorsePotential(r0=1.2, rho0=3.0)
        atoms.calc = SinglePointCalculator(atoms, energy=atoms.get_potential_energy(), forces=atoms.get_forces())
        frames.append(atoms)
    ase.io.write(tmp_path / "train.xyz", frames)
    return {
        "data": {"train": str(tmp_path / "train.xyz"), "valid": 5},
        "model": {"num_layers": 1, "num_features": 4, "lmax": 1, "num_radial": 4, "radial_hidden": [8], "cutoff": 4.0},
        "training": {"output": str(tmp_path / "run"), "max_epochs": 3, "threads": 1, "device": "cpu"},
    }
