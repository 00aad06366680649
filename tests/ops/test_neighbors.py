import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from eqgraph.ops import neighbors
from eqgraph.ops.neighbors import distances, farthest_points, nearest_points, points_within

SIZES = [100, 0, 1, 2, 64, 300]


def clouds(dim, dtype=torch.float64, sizes=SIZES):
    owner = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return torch.randn(len(owner), dim, dtype=dtype), torch.tensor([0, *np.cumsum(sizes)]), owner


@pytest.fixture(params=["kernels", "trees", "torch"])
def implementation(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(neighbors, "_kernels", lambda points, ptr=None: None)
        monkeypatch.setattr(neighbors, "_BLOCK", 1 << 12)  # several blocks
    if request.param == "trees":
        monkeypatch.setattr(neighbors, "_LARGE", 10)
    return request.param


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(("k", "loop"), [(1, True), (20, False), (90, True)])
def test_nearest_points_are_those_of_a_tree(implementation, dim, k, loop):
    points, ptr, owner = clouds(dim)
    itself = None if loop else torch.arange(len(points))
    index, distance = nearest_points(points, ptr, points, owner, k, itself)
    for cloud, (start, stop) in enumerate(zip(ptr[:-1].tolist(), ptr[1:].tolist(), strict=True)):
        count = stop - start - (not loop)
        if count < 1:
            assert (index[owner == cloud] == -1).all()
            continue
        tree = cKDTree(points[start:stop].numpy())
        there, who = tree.query(points[start:stop].numpy(), [*range(2 - loop, k + 3 - loop)])
        expected = np.where(np.isinf(there), -1, who + start)[:, :k]
        np.testing.assert_array_equal(index[start:stop].numpy(), expected)
        np.testing.assert_allclose(distance[start:stop].numpy(), there[:, k - 1 : k + 1], rtol=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("loop", [True, False])
def test_points_within_are_those_of_a_tree(implementation, dim, loop):
    points, ptr, owner = clouds(dim)
    limit = torch.rand(len(points), dtype=torch.float64) * 2
    pairs = points_within(points, ptr, points, owner, limit, None if loop else torch.arange(len(points)))
    expected = []
    for row, (point, cloud) in enumerate(zip(points, owner.tolist(), strict=True)):
        start, stop = ptr[cloud], ptr[cloud + 1]
        for other in sorted(cKDTree(points[start:stop].numpy()).query_ball_point(point.numpy(), float(limit[row]))):
            if loop or other + start != row:
                expected.append([row, other + int(start)])
    assert pairs.T.tolist() == expected


@pytest.mark.parametrize("dim", [1, 3, 6])
def test_farthest_points_follow_the_definition(implementation, dim):
    points, ptr, _ = clouds(dim)
    num, start = (ptr.diff() + 1) // 2, ptr[:-1] + (ptr.diff() > 1).long()
    zero = points.new_zeros(len(points))
    picked = farthest_points(points, ptr, num, start, zero, zero[: len(num)]).split(num.tolist())
    for cloud, indices in enumerate(picked):
        here = torch.arange(int(ptr[cloud]), int(ptr[cloud + 1]))
        for number, index in enumerate(indices.tolist()):
            before = indices[:number]
            if number == 0:
                assert index == start[cloud]
            else:
                assert index == here[torch.cdist(points[here], points[before]).amin(1).argmax()]


def test_float32_and_float64_agree(implementation):
    points, ptr, owner = clouds(3, torch.float32)
    index, distance = nearest_points(points, ptr, points, owner, 10)
    exact, exact_distance = nearest_points(points.double(), ptr, points.double(), owner, 10)
    assert torch.equal(index, exact)
    torch.testing.assert_close(distance.double(), exact_distance, rtol=1e-6, atol=0)


def test_hundreds_of_points_at_the_same_distance(implementation):
    circle = torch.arange(500, dtype=torch.float64) * 0
    points = torch.stack([circle, circle], 1)
    ptr, owner = torch.tensor([0, 500]), torch.zeros(1, dtype=torch.int64)
    index, distance = nearest_points(points, ptr, points[:1], owner, 5)
    if implementation == "kernels":
        assert distance.isnan().all()
        assert (index == -1).all()
    else:
        assert (distance == 0).all()


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("far", [0.0, 1e3])
def test_thresholds_are_found_at_any_scale(scale, far):
    # a dense core in a wide halo, and one cloud a thousand times wider than the other
    points = torch.cat([torch.randn(500, 3) * 1e-3, torch.randn(500, 3), torch.randn(500, 3) * 1e3]).double()
    points = (points + far) * scale
    ptr, owner = torch.tensor([0, 1000, 1500]), torch.tensor([0] * 1000 + [1] * 500)
    index, distance = nearest_points(points, ptr, points, owner, 20)
    assert distance.isfinite().all()
    for start, stop in ((0, 1000), (1000, 1500)):
        there, _ = cKDTree(points[start:stop].numpy()).query(points[start:stop].numpy(), 20)
        found = (points[index[start:stop]] - points[start:stop, None]).norm(dim=-1)
        np.testing.assert_allclose(found.numpy(), there, rtol=1e-12)


def test_distances_come_in_blocks_of_bounded_size(monkeypatch):
    monkeypatch.setattr(neighbors, "_BLOCK", 1000)
    points, ptr, owner = clouds(3)
    seen = torch.zeros(len(points), dtype=torch.int64)
    for rows, columns, squares in distances(points, ptr, points, owner):
        assert squares.numel() <= 1000
        seen[rows] += squares.isfinite().sum(1)
        there = (points[columns] - points[rows, None]).square().sum(-1)
        torch.testing.assert_close(squares[squares.isfinite()], there[squares.isfinite()])
    assert torch.equal(seen, ptr.diff()[owner])
