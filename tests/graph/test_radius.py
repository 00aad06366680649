import sys

import pytest
import torch
from scipy.spatial import cKDTree

from eqgraph.graph import knn_graph, neighbor_list, radius, radius_graph


@pytest.fixture(autouse=True)
def _warn_again(monkeypatch):
    monkeypatch.setattr(sys.modules["eqgraph.graph.radius"], "_warned", set())


def improper():
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    return rotation * -torch.linalg.det(rotation).sign()


def pairs(edge_index):
    return set(map(tuple, edge_index.T.tolist()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dim", [1, 2, 3, 8])
def test_the_graph_of_a_tree(dim, dtype):
    pos = torch.randn(200, dim, dtype=dtype)
    expected = cKDTree(pos.double().numpy()).query_pairs(0.9)
    edge_index = radius_graph(pos, 0.9)
    assert pairs(edge_index) == expected | {(j, i) for i, j in expected}
    assert (edge_index[1].diff() >= 0).all()
    assert pairs(radius_graph(pos, 0.9, loop=True)) == pairs(edge_index) | {(i, i) for i in range(200)}


def test_the_graph_of_the_neighbor_list():
    pos = torch.rand(100, 3, dtype=torch.float64) * 8
    assert torch.equal(radius_graph(pos, 2.5), neighbor_list(pos, 2.5)[0])


def test_the_examples_of_pyg():
    x = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    y, batch = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.zeros(4, dtype=torch.int64)
    assert pairs(radius(x, y, 1.5, batch, batch[:2])) == {(0, 0), (0, 1), (1, 2), (1, 3)}
    assert pairs(radius_graph(x, 2.5, batch)) == {(1, 0), (2, 0), (0, 1), (3, 1), (0, 2), (3, 2), (1, 3), (2, 3)}
    assert torch.equal(radius_graph(x, 2.5, flow="target_to_source"), radius_graph(x, 2.5).flip(0))


def test_batch_is_the_clouds_one_by_one():
    sizes = [30, 0, 1, 200]
    singles = [torch.randn(size, 3) for size in sizes]
    batch = torch.arange(4).repeat_interleave(torch.tensor(sizes))
    expected = [radius_graph(single, 1.0) + int((batch < i).sum()) for i, single in enumerate(singles)]
    assert torch.equal(radius_graph(torch.cat(singles), 1.0, batch, batch_size=9), torch.cat(expected, 1))


def test_batch_vectors_may_be_unsorted():
    x, batch_x = torch.randn(200, 3), torch.randint(3, (200,))
    y, batch_y = torch.randn(50, 3), torch.randint(4, (50,))  # graph 3 has no points in x
    near = (torch.cdist(y, x) < 0.8) & (batch_y[:, None] == batch_x)
    row, col = radius(x, y, 0.8, batch_x, batch_y)
    assert pairs(torch.stack([row, col])) == pairs(near.nonzero().T)
    assert (row.diff() >= 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_edges_do_not_depend_on_orientation_or_order(dtype):
    pos, batch = torch.randn(600, 3, dtype=dtype), torch.arange(3).repeat_interleave(200)
    order = torch.randperm(600)
    turned = radius_graph((pos @ improper().to(dtype).T)[order], 0.8, batch[order])
    assert pairs(order[turned]) == pairs(radius_graph(pos, 0.8, batch))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("r", [1.0, 2**0.5, 3**0.5])
def test_neighbors_exactly_at_the_radius_are_left_out_however_a_lattice_is_turned(dtype, r):
    pos = torch.cartesian_prod(*[torch.arange(7.0)] * 3).to(dtype)
    turned = pos @ improper().to(dtype).T
    assert torch.equal(radius_graph(turned, r), radius_graph(pos, r - 0.01))


def test_the_nearest_are_kept_if_there_are_more_than_asked_for():
    pos = torch.randn(300, 3)
    with pytest.warns(
        UserWarning,
        match=r"radius_graph: expected at most max_num_neighbors=5 neighbors, got \d+ in graph 0: the nearest",
    ):
        edge_index = radius_graph(pos, 1.0, max_num_neighbors=5)
    everything, nearest = pairs(radius_graph(pos, 1.0)), pairs(knn_graph(pos, 5))
    assert pairs(edge_index) == everything & nearest
    assert (edge_index[1].diff() >= 0).all()
    assert torch.equal(radius_graph(pos, 1.0, max_num_neighbors=5), edge_index)  # said once
    assert torch.equal(radius_graph(pos, 1.0, max_num_neighbors=300), radius_graph(pos, 1.0))


def test_a_cap_on_a_lattice_does_not_depend_on_its_orientation():
    pos = torch.cartesian_prod(*[torch.arange(4.0)] * 3)
    turned, off_center = pos @ improper().float().T, (pos - pos.mean(0)).norm(dim=-1)
    with pytest.warns(UserWarning, match=r"Use max_num_neighbors=None or a smaller r. This is said once"):
        graphs = [radius_graph(p, 1.5, max_num_neighbors=8) for p in (pos, turned)]
    for values in (lambda e: (pos[e[0]] - pos[e[1]]).norm(dim=-1), lambda e: off_center[e[0]]):
        one, other = ([values(g)[g[1] == i].sort().values for i in range(64)] for g in graphs)
        torch.testing.assert_close(torch.cat(one), torch.cat(other), rtol=1e-5, atol=1e-5)


def test_points_at_the_same_place_are_neighbors():
    assert pairs(radius_graph(torch.zeros(3, 3), 0.1)) == {(i, j) for i in range(3) for j in range(3) if i != j}


@pytest.mark.parametrize("size", [0, 1, 2])
def test_small_clouds(size):
    assert radius_graph(torch.randn(size, 3), 100.0).shape == (2, size * (size - 1))
    assert radius(torch.randn(0, 3), torch.randn(size, 3), 1.0).shape == (2, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": 0.0}, r"radius: expected a positive radius, got r=0.0"),
        ({"r": float("nan")}, r"radius: expected a positive radius, got r=nan"),
        ({"max_num_neighbors": 0}, r"radius: expected at least 1 neighbor per point, got max_num_neighbors=0"),
        ({"y": torch.zeros(4, 2)}, r"radius: expected x and y of one dimension"),
        (
            {"x": torch.full((4, 3), torch.nan)},
            r"radius: expected finite x, got \[nan, nan, nan\] for point 0, graph 0",
        ),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        radius(**({"x": torch.randn(4, 3), "y": torch.randn(4, 3), "r": 1.0} | change))


def test_unknown_flow_is_refused():
    with pytest.raises(ValueError, match=r"radius_graph: expected flow to be"):
        radius_graph(torch.randn(4, 3), 2.0, flow="up")
