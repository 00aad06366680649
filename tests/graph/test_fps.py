import sys

import pytest
import torch

from eqgraph.graph import fps


@pytest.fixture(autouse=True)
def _warn_again(monkeypatch):
    monkeypatch.setattr(sys.modules["eqgraph.graph.fps"], "_warned", set())


def improper():
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    return rotation * -torch.linalg.det(rotation).sign()


def by_definition(pos, num):
    picked = [int((pos - pos.mean(0)).norm(dim=-1).argmax())]
    while len(picked) < num:
        picked.append(int(torch.cdist(pos, pos[picked]).amin(1).argmax()))
    return picked


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dim", [1, 2, 3, 6])
def test_the_definition(dim, dtype):
    pos = torch.randn(100, dim, dtype=dtype)
    assert fps(pos, num=20).tolist() == by_definition(pos.double(), 20)


def test_batch_is_the_clouds_one_by_one():
    sizes = [30, 0, 1, 2, 500]
    singles = [torch.randn(size, 3) for size in sizes]
    batch = torch.arange(5).repeat_interleave(torch.tensor(sizes))
    expected = torch.cat([fps(single, ratio=0.3) + int((batch < i).sum()) for i, single in enumerate(singles)])
    assert torch.equal(fps(torch.cat(singles), batch, ratio=0.3, batch_size=6), expected)
    assert len(expected) == 9 + 0 + 1 + 1 + 150


def test_orientation_and_order_do_not_matter():
    pos, batch = torch.randn(400, 3), torch.randint(3, (400,))
    order = torch.randperm(400)
    turned = fps((pos @ improper().float().T + 3)[order], batch[order], num=40)
    assert torch.equal(order[turned], fps(pos, batch, num=40))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lattices_lose_no_distances_when_they_are_turned(dtype):
    # A box of three different edges turned about its center: its eight corners are mirror images, the rest follows from the first.
    pos = torch.cartesian_prod(torch.arange(3.0), torch.arange(4.0), torch.arange(6.0)).to(dtype)
    off_center = (pos - pos.mean(0)).norm(dim=-1)
    one, other = (fps(p, num=8) for p in (pos, pos @ improper().to(dtype).T))
    torch.testing.assert_close(off_center[one], off_center[other], rtol=1e-5, atol=1e-5)


def test_no_point_is_picked_twice():
    pos = torch.randn(10, 3).repeat(3, 1)
    assert sorted(fps(pos, ratio=1.0).tolist()) == list(range(30))
    assert sorted(fps(torch.zeros(70, 3), ratio=1.0).tolist()) == list(range(70))


@pytest.mark.parametrize(
    ("ratio", "size", "num"), [(0.5, 4, 2), (0.5, 5, 3), (0.07, 100, 7), (1e-9, 5, 1), (1.0, 7, 7)]
)
def test_numbers_are_rounded_up(ratio, size, num):
    assert len(fps(torch.randn(size, 2), ratio=ratio)) == num


def test_the_example_of_pyg():
    x = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    assert fps(x, torch.zeros(4, dtype=torch.int64), ratio=0.5).tolist() == [0, 3]


def test_a_random_start_comes_from_the_generator_of_torch():
    pos = torch.randn(100, 3)
    picked = [fps(pos, num=1, random_start=True) for _ in range(10)]
    torch.manual_seed(3)
    one = fps(pos, num=5, random_start=True)
    torch.manual_seed(3)
    assert torch.equal(one, fps(pos, num=5, random_start=True))
    assert len({int(index) for index in picked}) > 1


def test_all_points_of_clouds_with_fewer():
    pos, batch = torch.randn(13, 3), torch.tensor([0] * 3 + [1] * 10)
    with pytest.warns(
        UserWarning, match=r"fps: expected at least num=5 points, got 3 in graph 0: all of them are picked"
    ):
        picked = fps(pos, batch, num=5)
    assert sorted(picked[:3].tolist()) == [0, 1, 2]
    assert len(fps(pos, batch, num=5)) == 8  # said once
    assert fps(torch.zeros(0, 3)).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratio": 0.0}, r"fps: expected a ratio above 0 and up to 1, got 0.0"),
        ({"ratio": 1.5}, r"fps: expected a ratio above 0 and up to 1, got 1.5"),
        ({"num": 0}, r"fps: expected to pick at least 1 point, got num=0"),
        ({"x": torch.full((4, 3), torch.nan)}, r"fps: expected finite x, got \[nan, nan, nan\] for point 0, graph 0"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        fps(**({"x": torch.randn(4, 3)} | change))
