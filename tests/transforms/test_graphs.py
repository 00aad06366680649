"""KNNGraph, RadiusGraph."""

import warnings

import pytest
import torch
from scipy.spatial import cKDTree
from torch_geometric.data import Batch, Data

from eqgraph.transforms import KNNGraph, RadiusGraph


def edges(edge_index):
    return set(map(tuple, edge_index.T.tolist()))


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("flow", ["source_to_target", "target_to_source"])
def test_neighbors(loop, flow):
    pos = torch.randn(40, 3)
    found = cKDTree(pos.numpy()).query(pos.numpy(), 6)[1]
    expected = {(int(j), i) for i, row in enumerate(found) for j in (row[:5] if loop else row[1:])}
    if flow == "target_to_source":
        expected = {(i, j) for j, i in expected}
    data = KNNGraph(k=5, loop=loop, flow=flow)(Data(pos=pos, edge_attr=torch.zeros(1)))
    assert edges(data.edge_index) == expected
    assert data.edge_attr is None
    undirected = KNNGraph(k=5, loop=loop, flow=flow, force_undirected=True)(Data(pos=pos))
    assert edges(undirected.edge_index) == expected | {(i, j) for j, i in expected}


def test_radius():
    pos = torch.rand(200, 3)
    pairs = {tuple(pair) for pair in cKDTree(pos.numpy()).query_pairs(0.5)}
    data = RadiusGraph(0.5)(Data(pos=pos))
    assert edges(data.edge_index) == pairs | {(j, i) for i, j in pairs}
    assert data.edge_index[1].bincount().max() > 32  # nobody is left out
    assert RadiusGraph(0.5, loop=True)(Data(pos=pos)).num_edges == data.num_edges + 200
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # radius_graph tells that edges are left out
        assert RadiusGraph(0.5, max_num_neighbors=3)(Data(pos=pos)).edge_index[1].bincount().max() == 3


@pytest.mark.parametrize("transform", [KNNGraph(3), RadiusGraph(1.0)], ids=repr)
def test_batches(transform):
    clouds = [Data(pos=torch.randn(n, 3)) for n in (10, 20)]
    batch = transform(Batch.from_data_list(clouds))
    first, second = (edges(transform(cloud).edge_index) for cloud in clouds)
    assert edges(batch.edge_index) == first | {(i + 10, j + 10) for i, j in second}


def test_repr():
    assert repr(KNNGraph(3)) == "KNNGraph(k=3)"
    assert repr(RadiusGraph(1.5)) == "RadiusGraph(r=1.5)"
