"""Structures of all kinds with labels of all kinds, and what it means for graphs to be the same."""

import ase
import ase.build
import numpy as np
import torch
from ase.calculators.singlepoint import SinglePointCalculator


def structures() -> list[ase.Atoms]:
    """Molecules, crystals and an isolated atom; energies alone, forces alone, all labels, none."""
    rng = np.random.default_rng(0)
    found = []
    for kind in range(12):
        name = ("H2O", "CO2", "CH3CH2OH")[kind % 3]
        atoms = ase.build.bulk("Cu", cubic=True) if kind % 4 == 3 else ase.build.molecule(name)
        atoms.positions = np.round(atoms.positions + rng.normal(scale=0.05, size=atoms.positions.shape), 8)
        labels = {"energy": -10.0 * len(atoms) + rng.normal(), "forces": np.round(rng.normal(size=(len(atoms), 3)), 8)}
        if atoms.cell.rank == 3:
            labels["stress"] = np.round(rng.normal(size=6), 8)
        for missing in ((), ("energy",), ("forces",), ("energy", "forces", "stress"))[0 if kind < 8 else kind - 8]:
            labels.pop(missing, None)
        atoms.calc = SinglePointCalculator(atoms, **labels)
        found.append(atoms)
    atom = ase.Atoms("H", info={"config_type": "IsolatedAtom"})
    atom.calc = SinglePointCalculator(atom, energy=-13.6)
    return [*found, atom]


def assert_same_graphs(one, other) -> None:
    assert len(one) == len(other)
    for first, second in zip(one, other, strict=True):
        assert sorted(first.keys()) == sorted(second.keys())
        for name, tensor in first.to_dict().items():
            assert tensor.dtype == second[name].dtype
            assert torch.equal(tensor.nan_to_num(1e9), second[name].nan_to_num(1e9)), name
