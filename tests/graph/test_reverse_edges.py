import pytest
import torch
from ase.build import bulk, molecule
from torch_geometric.data import Batch

from eqgraph.graph import edge_vectors, from_ase, reverse_edges


@pytest.mark.parametrize("atoms", [molecule("CH3CH2OH"), bulk("Cu"), bulk("Cu").repeat((2, 1, 3)), molecule("H")])
def test_reverse_edges_have_the_opposite_vectors(atoms):
    data = from_ase(atoms, 5.0)
    reverse = reverse_edges(data.edge_index, data.edge_shift)
    vectors = edge_vectors(data.pos, data.cell, data.edge_index, data.edge_shift)
    assert torch.equal(data.edge_index[:, reverse], data.edge_index.flip(0))
    torch.testing.assert_close(vectors[reverse], -vectors)
    assert torch.equal(reverse[reverse], torch.arange(len(reverse)))
    assert not (reverse == torch.arange(len(reverse))).any()


def test_distances_to_the_reverse_stay_right_in_a_batch():
    batch = Batch.from_data_list([from_ase(molecule("H2O"), 5.0), from_ase(bulk("Cu"), 5.0)])
    reverse = torch.arange(batch.num_edges) + batch.edge_reverse
    assert torch.equal(batch.edge_index[:, reverse], batch.edge_index.flip(0))
    assert torch.equal(batch.edge_shift[reverse], -batch.edge_shift)


def test_the_order_of_edges_does_not_matter():
    data = from_ase(bulk("Cu"), 4.0)
    shuffle = torch.randperm(data.num_edges)
    edge_index, edge_shift = data.edge_index[:, shuffle], data.edge_shift[shuffle]
    reverse = reverse_edges(edge_index, edge_shift)
    assert torch.equal(edge_shift[reverse], -edge_shift)


@pytest.mark.parametrize("edge_index", [[[0, 1, 0], [1, 0, 2]], [[0, 1, 0, 1], [1, 0, 1, 0]]])
def test_graphs_with_single_or_repeated_edges_are_refused(edge_index):
    edge_index = torch.tensor(edge_index)
    with pytest.raises(ValueError, match=r"reverse_edges: expected every edge once in each direction"):
        reverse_edges(edge_index, torch.zeros(edge_index.shape[1], 3))
