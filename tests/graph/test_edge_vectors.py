import pytest
import torch
from ase import Atoms
from torch_geometric.data import Batch

from eqgraph.graph import edge_vectors, from_ase


def structures():
    torch.manual_seed(1)
    return [
        Atoms("H3", torch.rand(3, 3).numpy() * 2, cell=(torch.eye(3) + 0.3 * torch.rand(3, 3)).numpy() * 2, pbc=pbc)
        for pbc in (True, [True, False, True], False)
    ]


def vectors(data, batch=None):
    return edge_vectors(data.pos, data.cell, data.edge_index, data.edge_shift, batch)


def test_batch_is_the_structures_one_by_one():
    graphs = [from_ase(atoms, 2.5) for atoms in structures()]
    batch = Batch.from_data_list(graphs)
    assert torch.equal(vectors(batch, batch.batch), torch.cat([vectors(graph) for graph in graphs]))


def test_edges_are_shorter_than_the_cutoff():
    for atoms in structures():
        data = from_ase(atoms, 2.5)
        assert data.num_edges
        assert vectors(data).norm(dim=-1).max() < 2.5


def test_gradients_of_positions_and_cells():
    batch = Batch.from_data_list([from_ase(atoms, 2.0) for atoms in structures()])
    inputs = (batch.pos.requires_grad_(), batch.cell.requires_grad_())

    def function(pos, cell):
        return edge_vectors(pos, cell, batch.edge_index, batch.edge_shift, batch.batch).square().sum()

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


def test_no_edges():
    data = from_ase(Atoms("H"), 2.0)
    assert vectors(data).shape == (0, 3)


def test_refuses_several_cells_without_batch():
    batch = Batch.from_data_list([from_ase(atoms, 2.0) for atoms in structures()])
    with pytest.raises(ValueError, match="got 3 cells and no batch"):
        vectors(batch)
