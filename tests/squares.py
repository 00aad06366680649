"""Shaken squares of atoms with Morse energies, and a potential of a second's making."""

import ase
import numpy as np
import torch
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator

from eqgraph.datasets import AtomsDataset, frames_from_atoms
from eqgraph.models import build_potential

TINY = {"num_layers": 1, "num_features": 4, "lmax": 1, "num_radial": 4, "radial_hidden": [8]}


def squares(count: int, seed: int = 0, shake: float = 0.08, scale: float = 1.0) -> list[ase.Atoms]:
    """H2O2 and H3O near a square, with Morse energies and forces."""
    rng, frames = np.random.default_rng(seed), []
    for index in range(count):
        corners = scale * 1.2 * np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], dtype=float)
        atoms = ase.Atoms("H2O2" if index % 2 else "H3O", corners + rng.normal(scale=shake, size=(4, 3)))
        atoms.calc = MorsePotential(r0=1.2, rho0=3.0)
        atoms.calc = SinglePointCalculator(atoms, energy=atoms.get_potential_energy(), forces=atoms.get_forces())
        frames.append(atoms)
    return frames


def dataset(atoms: list[ase.Atoms]) -> AtomsDataset:
    return AtomsDataset(frames_from_atoms(atoms), 4.0)


def tiny(architecture: str = "nequip", **changes):
    torch.manual_seed(1)
    config = (TINY if architecture == "nequip" else {"num_layers": 1, "num_features": 4, "lmax": 1}) | changes
    return build_potential(architecture, config, [1, 8], 4.0, [-1.0, -2.0], [0.5, 0.7], 3.0).eval()
