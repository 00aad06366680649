import sys

import pytest
import torch
from scipy.spatial import cKDTree

from eqgraph.graph import edge_vectors, fps, knn, knn_graph, nearest, radius_graph
from eqgraph.ops import neighbors


@pytest.fixture(autouse=True)
def _warn_again(monkeypatch):
    monkeypatch.setattr(sys.modules["eqgraph.graph.knn"], "_warned", set())


def improper(dim):
    rotation = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64)).Q
    return rotation * torch.tensor([-torch.linalg.det(rotation).sign(), *[1.0] * (dim - 1)])


def pairs(edge_index):
    return set(map(tuple, edge_index.T.tolist()))


def lengths(pos, edge_index):
    return (pos[edge_index[0]] - pos[edge_index[1]]).norm(dim=-1)


def lattice(n=6, dim=3):
    axis = torch.arange(float(n))
    return torch.cartesian_prod(*[axis] * dim)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dim", [1, 2, 3, 8])
def test_the_graph_of_a_tree(dim, dtype):
    pos = torch.randn(200, dim, dtype=dtype)
    edge_index = knn_graph(pos, 7)
    _, who = cKDTree(pos.double().numpy()).query(pos.double().numpy(), 8)
    assert torch.equal(edge_index[1], torch.arange(200).repeat_interleave(7))
    assert torch.equal(edge_index[0].reshape(200, 7), torch.from_numpy(who[:, 1:]))


def test_the_examples_of_pyg():
    x = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    y, batch = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.zeros(4, dtype=torch.int64)
    assert pairs(knn(x, y, 2, batch, batch[:2])) == {(0, 0), (0, 1), (1, 2), (1, 3)}
    assert pairs(knn_graph(x, 2, batch)) == {(1, 0), (2, 0), (0, 1), (3, 1), (0, 2), (3, 2), (1, 3), (2, 3)}
    assert torch.equal(knn_graph(x, 2, batch, flow="target_to_source"), knn_graph(x, 2, batch).flip(0))


def test_a_point_is_its_own_nearest_with_loop():
    pos = torch.randn(50, 3)
    edge_index = knn_graph(pos, 3, loop=True)
    assert torch.equal(edge_index[0].reshape(50, 3)[:, 0], torch.arange(50))
    assert not (knn_graph(pos, 3)[0] == knn_graph(pos, 3)[1]).any()


def test_batch_is_the_clouds_one_by_one():
    sizes = [30, 0, 100, 21, 700]
    singles = [torch.randn(size, 3) for size in sizes]
    batch = torch.arange(5).repeat_interleave(torch.tensor(sizes))
    edge_index = knn_graph(torch.cat(singles), 20, batch, batch_size=7)
    first, expected = 0, []
    for single in singles:
        if len(single):
            expected.append(knn_graph(single, 20) + first)
        first += len(single)
    assert torch.equal(edge_index, torch.cat(expected, 1))


def test_batch_vectors_may_be_unsorted():
    pos, batch = torch.randn(300, 3), torch.randint(4, (300,))
    order = batch.argsort()
    sorted_edges = order[knn_graph(pos[order], 5, batch[order])]
    edge_index = knn_graph(pos, 5, batch)
    assert pairs(edge_index) == pairs(sorted_edges)
    assert (edge_index[1].diff() >= 0).all()
    assert (batch[edge_index[0]] == batch[edge_index[1]]).all()
    y, batch_y = torch.randn(40, 3), torch.randint(4, (40,))
    row, col = knn(pos, y, 5, batch, batch_y)
    distance = torch.cdist(y, pos).masked_fill(batch_y[:, None] != batch, torch.inf)
    assert torch.equal(row, torch.arange(40).repeat_interleave(5))
    torch.testing.assert_close((y[row] - pos[col]).norm(dim=-1).reshape(40, 5), distance.sort(1).values[:, :5])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shift", [0.0, 50.0])
def test_edges_do_not_depend_on_orientation_or_order(dtype, shift):
    pos, batch = torch.randn(600, 3, dtype=dtype), torch.arange(3).repeat_interleave(200)
    rotation = improper(3).to(dtype)
    order = torch.randperm(600)
    turned = knn_graph((pos @ rotation.T + shift)[order], 20, batch[order])
    assert pairs(order[turned]) == pairs(knn_graph(pos, 20, batch))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("dim", "k"), [(3, 4), (3, 8), (3, 20), (2, 3), (2, 10)])
def test_lattices_with_many_equal_distances(dtype, dim, k):
    # The nearest of equals are those nearest to the center, so that both lengths and off-center distances of neighbors are the same.
    pos = lattice(6, dim).to(dtype)
    rotation = improper(dim).to(dtype)
    order = torch.randperm(len(pos))
    off_center = (pos - pos.mean(0)).norm(dim=-1)
    edge_index, turned = knn_graph(pos, k), order[knn_graph((pos @ rotation.T)[order], k)]
    for values in (lambda edges: lengths(pos, edges), lambda edges: off_center[edges[0]]):
        expected = values(edge_index).reshape(-1, k).sort(1).values
        got = values(turned).reshape(-1, k)[order.argsort()].sort(1).values
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_a_far_away_cloud_is_searched_exactly():
    pos = torch.randint(0, 2000, (300, 3)).float() / 64
    assert torch.equal(knn_graph(pos + 16384 / 64, 10), knn_graph(pos, 10))


def test_points_at_the_same_place_are_neighbors():
    pos = torch.randn(10, 3).repeat(2, 1)
    edge_index = knn_graph(pos, 1)
    assert torch.equal(edge_index[0], (torch.arange(20) + 10) % 20)
    many = torch.zeros(300, 3)
    edge_index = knn_graph(many, 5)
    assert edge_index.shape == (2, 1500)
    assert not (edge_index[0] == edge_index[1]).any()
    assert (edge_index[0].reshape(300, 5).sort(1).values.diff() > 0).all()


@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_fewer_points_than_k(size):
    pos = torch.randn(size, 3)
    if size in (1, 2, 3):
        with pytest.warns(
            UserWarning, match=rf"knn_graph: expected at least 5 other points for k=5, got {size - 1} in graph 0"
        ):
            edge_index = knn_graph(pos, 5)
    else:
        edge_index = knn_graph(pos, 5)
    assert pairs(edge_index) == {(i, j) for i in range(size) for j in range(size) if i != j}
    assert torch.equal(knn_graph(pos, 5), edge_index)  # said once


def test_fewer_points_than_k_in_one_graph_of_a_batch():
    pos, batch = torch.randn(33, 3), torch.tensor([0] * 30 + [1] * 3)
    with pytest.warns(
        UserWarning, match=r"knn: expected .* k=4, got 3 in graph 1: all of them are neighbors. This is said once"
    ):
        row, _ = knn(pos, pos, 4, batch, batch)
    assert row.bincount().tolist() == [4] * 30 + [3] * 3


def test_cosine_is_the_angle():
    x, y = torch.randn(100, 3), torch.randn(20, 3)
    cosine = torch.nn.functional.cosine_similarity(y[:, None], x[None], dim=-1)
    assert torch.equal(knn(x, y, 6, cosine=True)[1].reshape(20, 6), cosine.topk(6).indices)
    assert pairs(knn_graph(x, 4, cosine=True)) == pairs(knn_graph(x * torch.rand(100, 1), 4, cosine=True))


def test_one_coordinate_and_half_precision():
    assert pairs(knn_graph(torch.tensor([0.0, 1.0, 5.0]), 1)) == {(1, 0), (0, 1), (1, 2)}
    pos = torch.randn(40, 3).half()
    assert torch.equal(knn_graph(pos, 4), knn_graph(pos.float(), 4))


def test_distances_of_the_edges_are_differentiable():
    pos = torch.randn(12, 3, dtype=torch.float64, requires_grad=True)
    edge_index = knn_graph(pos, 3)
    shift, cell = torch.zeros(36, 3), torch.zeros(3, 3, dtype=torch.float64)
    assert not edge_index.requires_grad
    assert torch.autograd.gradcheck(lambda p: edge_vectors(p, cell, edge_index, shift).norm(dim=-1), (pos,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, r"knn: expected at least 1 neighbor per point, got k=0"),
        ({"x": torch.zeros(4, 3, 2)}, r"knn: expected x of shape \(points, dim\), got \(4, 3, 2\)"),
        ({"x": torch.zeros(4, 3, dtype=torch.int64)}, r"knn: expected x in floating point, got torch.int64"),
        ({"y": torch.zeros(4, 2)}, r"knn: expected x and y of one dimension, dtype and device, got \(4, 3\)"),
        (
            {"y": torch.zeros(4, 3, dtype=torch.float64)},
            r"got \(4, 3\) torch.float32 on cpu and \(4, 3\) torch.float64",
        ),
        (
            {"x": torch.tensor([[0.0] * 3] * 3 + [[0.0, torch.nan, 0.0]])},
            r"expected finite x, got \[0.0, nan, 0.0\] for point 3, graph 1",
        ),
        ({"y": torch.full((4, 3), torch.inf)}, r"expected finite y, got \[inf, inf, inf\] for point 0, graph 0"),
        ({"x": torch.full((4, 3), 1e30)}, r"expected x below 1e\+18 in float32, got 1.0e\+30 for point 0, graph 0"),
        (
            {"batch_x": torch.zeros(3, dtype=torch.int64)},
            r"expected a batch vector of 4 whole numbers for x, got shape \(3,\)",
        ),
        ({"batch_x": torch.tensor([0, -1, 0, 0])}, r"expected graphs counted from 0, got -1 in batch"),
        (
            {"batch_x": torch.zeros(4, dtype=torch.int64)},
            r"expected points in x for every graph with points in y, got none in graph 1",
        ),
        ({"batch_size": 1}, r"expected graphs 0 to 0 for batch_size=1, got 1 in batch"),
        (
            {"cosine": True, "x": torch.zeros(4, 3)},
            r"expected vectors with a direction for cosine=True, got zeros for point 0, graph 0",
        ),
    ],
)
def test_what_is_refused(change, message):
    batch = torch.tensor([0, 0, 1, 1])
    arguments = {"x": torch.randn(4, 3), "y": torch.randn(4, 3), "k": 1, "batch_x": batch, "batch_y": batch}
    with pytest.raises(ValueError, match=message):
        knn(**(arguments | change))


def test_unknown_flow_is_refused():
    with pytest.raises(
        ValueError, match=r"knn_graph: expected flow to be 'source_to_target' or 'target_to_source', got 'up'"
    ):
        knn_graph(torch.randn(4, 3), 2, flow="up")


def test_batch_on_another_device_is_refused():
    with pytest.raises(ValueError, match=r"knn_graph: expected x and its batch vector on one device, got cpu and meta"):
        knn_graph(torch.randn(4, 3), 2, torch.zeros(4, dtype=torch.int64, device="meta"))


def test_without_kernels_the_graphs_are_the_same(monkeypatch):
    pos, batch = torch.cat([torch.randn(200, 3), lattice(5)]), torch.tensor([0] * 100 + [1] * 100 + [2] * 125)
    order = torch.randperm(325)
    pos, batch = pos[order], batch[order]

    def graphs():
        return [
            knn_graph(pos, 7, batch),
            knn(pos, pos[::3], 4, batch, batch[::3]),
            radius_graph(pos, 0.7, batch),
            nearest(pos, pos[::2], batch, batch[::2]),
            fps(pos, batch, 0.3),
        ]

    expected = graphs()
    monkeypatch.setattr(neighbors, "_kernels", lambda points, ptr=None: None)
    monkeypatch.setattr(neighbors, "_BLOCK", 1 << 13)
    for got, graph in zip(graphs(), expected, strict=True):
        assert torch.equal(got, graph)
