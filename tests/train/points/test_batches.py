"""Batches against PyG's own."""

import time

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from eqgraph.datasets import PointClouds
from eqgraph.train.epoch_shuffle import EpochShuffle
from eqgraph.train.points.batches import CloudLoader, cloud_batch, drawn
from eqgraph.transforms import RandomRotation


@pytest.fixture
def clouds() -> PointClouds:
    """Of different sizes, with features."""
    rng = np.random.default_rng(0)
    points = [rng.normal(size=(size, 3)).astype(np.float32) for size in (5, 9, 1, 7)]
    features = [np.arange(4 * len(p), dtype=np.float32).reshape(-1, 4) for p in points]
    return PointClouds(points, [1, 0, 1, 0], ["a", "b"], features=features, irreps_in="1x0e + 1x1o")


def test_a_batch_is_that_of_pyg(clouds):
    ours, theirs = cloud_batch(clouds, [2, 0, 3]), Batch.from_data_list([clouds[index] for index in (2, 0, 3)])
    for name in ("pos", "x", "y", "batch"):
        assert torch.equal(ours[name], theirs[name]), name
    assert ours.num_graphs == theirs.num_graphs == 3


def test_point_labels_and_categories():
    labels = [np.array([0, 1, 1]), np.array([2, 2])]
    clouds = PointClouds(
        [np.zeros((3, 3)), np.ones((2, 3))], [0, 1], ["a", "b", "c"], point_labels=labels, categories=["x", "y"]
    )
    batch = cloud_batch(clouds, [1, 0])
    assert batch.y.tolist() == [2, 2, 0, 1, 1]
    assert batch.category.tolist() == [1, 0]


def test_drawn_points_are_of_their_cloud_and_differ(clouds):
    batch = cloud_batch(clouds, [0, 1, 2, 3], num_points=4)
    assert batch.batch.bincount().tolist() == [4, 4, 1, 4]
    for index in range(4):
        rows = {tuple(row) for row in clouds[index].pos.tolist()}
        found = [tuple(row) for row in batch.pos[batch.batch == index].tolist()]
        assert len(set(found)) == len(found)
        assert set(found) <= rows
    # features go with their points
    where = {tuple(row): feature for row, feature in zip(clouds.pos.tolist(), clouds.x.tolist(), strict=True)}
    assert [where[tuple(row)] for row in batch.pos.tolist()] == batch.x.tolist()


def test_every_point_is_drawn_as_often():
    clouds = PointClouds([np.arange(30, dtype=np.float32).reshape(10, 3)], [0], ["a", "b"])
    drawn = torch.cat([cloud_batch(clouds, [0], 4).pos[:, 0] for _ in range(2000)])
    counts = (drawn / 3).long().bincount(minlength=10)
    assert (counts - 800).abs().max() < 5 * (2000 * 0.4 * 0.6) ** 0.5


def test_dropout_leaves_one_point(clouds):
    sizes = torch.stack([cloud_batch(clouds, [0, 1, 2, 3], dropout=0.99).batch.bincount() for _ in range(200)])
    assert (sizes >= 1).all()
    assert (sizes <= clouds.num_points).all()
    assert sizes[:, 1].unique().tolist() == list(range(1, 10))


def test_what_is_drawn_once_depends_on_the_seed_alone(clouds):
    transform = RandomRotation("SO3", clouds.irreps_in)
    state = torch.get_rng_state()
    first, again, other = (drawn(clouds, 4, transform, seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.pos, again.pos)
    assert not torch.allclose(first.pos, other.pos)
    assert first.num_points.tolist() == [4, 4, 1, 4]
    assert torch.equal(first.labels, clouds.labels)
    # turned as a whole: lengths of vectors stay, scalars too
    assert sorted(first.x[:4, 0].tolist())[0] in clouds.x[:5, 0].tolist()


@pytest.mark.parametrize(
    ("number", "batch_size", "sizes"), [(33, 32, [17, 16]), (5, 2, [3, 2]), (4, 8, [4]), (1, 8, [1])]
)
def test_no_cloud_is_alone_in_a_batch(number, batch_size, sizes):
    clouds = PointClouds([np.zeros((2, 3))] * number, [0] * number, ["a", "b"])
    loader = CloudLoader(clouds, batch_size)
    assert len(loader) == len(sizes)
    assert [batch.num_graphs for batch in loader] == sizes


def test_order_is_that_of_the_sampler(clouds):
    sampler = EpochShuffle(4, seed=1)
    sampler.set_epoch(2)
    order = list(sampler)
    found = torch.cat([batch.y for batch in CloudLoader(clouds, 2, sampler)])
    assert torch.equal(found, clouds.labels[order])


def test_batches_are_built_faster_than_they_are_used():
    """32 clouds of 256 points out of 1,024 take less than 2 ms; much more time is left for a machine with other work to do."""
    clouds = PointClouds([np.random.rand(1024, 3).astype(np.float32)] * 64, [0] * 64, ["a", "b"])
    times = []
    for _ in range(20):
        start = time.perf_counter()
        cloud_batch(clouds, range(32), num_points=256)
        times.append(time.perf_counter() - start)
    assert min(times) < 5e-3
