import ase.build
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.constraints import FixAtoms
from torch_geometric.loader import DataLoader

from eqgraph.graph import from_ase


def test_fields():
    data = from_ase(ase.build.bulk("NaCl", "rocksalt", a=5.6), 3.0)
    assert data.num_nodes == 2
    assert data.num_edges == 12
    assert data.pos.dtype == data.cell.dtype == data.edge_shift.dtype == torch.float64
    assert data.atomic_numbers.tolist() == [11, 17]
    assert data.cell.shape == (1, 3, 3)
    assert data.pbc.tolist() == [[True, True, True]]
    assert data.edge_index.dtype == torch.int64


def test_open_structures_have_a_zero_cell():
    data = from_ase(ase.build.molecule("H2O"), 3.0)
    assert not data.cell.any()
    assert not data.pbc.any()
    assert data.num_edges == 6


def test_batches_have_one_cell_per_graph():
    structures = [
        ase.build.bulk("Cu"),
        Atoms("H"),
        ase.build.molecule("CH4"),
        ase.build.fcc111("Al", (1, 1, 3), vacuum=5),
    ]
    (batch,) = DataLoader([from_ase(atoms, 4.0) for atoms in structures], batch_size=4)
    assert batch.cell.shape == (4, 3, 3)
    assert batch.pbc.tolist() == [[True] * 3, [False] * 3, [False] * 3, [True, True, False]]
    assert batch.batch.tolist() == [0, 1, *[2] * 5, *[3] * 3]
    src, dst = batch.edge_index
    assert torch.equal(batch.batch[src], batch.batch[dst])
    assert not (batch.batch[src] == 1).any()


def test_atoms_stay_as_they_are():
    atoms = ase.build.molecule("H2O", constraint=FixAtoms([0]), cell=[5.0] * 3, pbc=True)
    atoms.positions += 100
    before = atoms.copy()
    data = from_ase(atoms, 3.0)
    data.pos += 1
    data.cell += 1
    assert np.array_equal(atoms.positions, before.positions)
    assert np.array_equal(atoms.cell, before.cell)
    assert len(atoms.constraints) == 1


def test_refuses_two_atoms_at_one_place():
    atoms = Atoms("HOH", [[0, 0, 0], [0, 0, 1], [0, 0, 5]], cell=[5, 5, 5], pbc=True)
    with pytest.raises(ValueError, match=r"expected atoms at different places, got atoms . \(H\) and . \(H\)"):
        from_ase(atoms, 3.0)


def test_refuses_periodicity_without_cell():
    with pytest.raises(ValueError, match="expected linearly independent cell vectors"):
        from_ase(Atoms("H2", [[0, 0, 0], [0, 0, 1]], pbc=True), 3.0)
