"""Small data sets whose labels come from ASE's calculators, and copies with one mistake each."""

import ase
import numpy as np
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from eqgraph.check.data_file import CheckedData, DataFile
from eqgraph.datasets import frames_from_atoms


def keep(atoms: ase.Atoms, energy: float = 1.0, forces: float = 1.0, stress=None, length: float = 1.0) -> ase.Atoms:
    """A copy with the labels of its calculator times factors."""
    labels = {"energy": energy * atoms.get_potential_energy(), "forces": forces * atoms.get_forces()}
    if stress is not None:
        labels["stress"] = stress(atoms.get_stress(voigt=True))
    copy = ase.Atoms(atoms.numbers, length * atoms.positions, cell=length * atoms.cell.array, pbc=atoms.pbc)
    copy.calc = SinglePointCalculator(copy, **labels)
    return copy


def molecules(number: int = 40, seed: int = 0, symbol: str = "CH3OH") -> list[ase.Atoms]:
    """Shaken molecules with EMT's energies and forces, turned and moved."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(number):
        atoms = molecule(symbol)
        atoms.positions += rng.normal(scale=0.03, size=(len(atoms), 3))
        atoms.rotate(rng.uniform(0, 360), rng.normal(size=3))
        atoms.calc = EMT()
        found.append(atoms)
    return found


def crystals(number: int = 40, seed: int = 0) -> list[ase.Atoms]:
    """Strained copper with EMT's energies, forces and stress."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(number):
        atoms = bulk("Cu", cubic=True)
        strain = rng.normal(scale=0.01, size=(3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
        atoms.calc = EMT()
        found.append(atoms)
    return found


def checked(*lists: list[ase.Atoms], **keys: str) -> CheckedData:
    """What a check is given, made of structures."""
    files = [
        DataFile(f"{name}.xyz", frames_from_atoms(structures, require=()), structures)
        for name, structures in zip("abc", lists, strict=False)
    ]
    return CheckedData(files, {"energy": "energy", "forces": "forces", "stress": "stress"} | keys)
