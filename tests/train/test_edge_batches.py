"""Batches capped by edges."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch import LightningModule, Trainer

from eqgraph.train.edge_batches import EdgeBatches

SIZES = np.random.default_rng(0).integers(0, 200, size=300)


def loads(batches: EdgeBatches) -> list[int]:
    return [int(batches.num_edges[batch].sum()) for batch in batches]


@settings(max_examples=200, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 1000), min_size=1, max_size=60),
    cap=st.integers(1, 3000),
    epoch=st.integers(0, 5),
    world=st.integers(1, 4),
)
def test_every_graph_once_and_never_above_the_cap(sizes, cap, epoch, world):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shards = [EdgeBatches(sizes, cap, 3).shard(rank, world) for rank in range(world)]
    seen = []
    for shard in shards:
        shard.set_epoch(epoch)
        batches = list(shard)
        assert len(batches) == len(shard) == len(shards[0])
        for batch in batches:
            assert sum(sizes[index] for index in batch) <= cap or len(batch) == 1
            seen += batch
    assert sorted(seen) == list(range(len(sizes)))
    if len(sizes) >= world * len(shards[0]):  # no process is without work
        assert all(batch for shard in shards for batch in shard)


def test_batches_are_full():
    batches = EdgeBatches(SIZES, 2000, seed=0)
    fewest = int(np.ceil(SIZES.sum() / 2000))
    assert fewest <= len(batches) <= fewest + 2
    assert max(loads(batches)) <= 2000
    assert min(loads(batches)) > 0.8 * 2000


def test_few_large_graphs_among_small_ones_cost_little():
    sizes = np.concatenate([np.full(5, 900), np.full(500, 20)])
    assert len(EdgeBatches(sizes, 1000, seed=0)) <= int(np.ceil(sizes.sum() / 1000)) + 2


def test_order_depends_on_seed_and_epoch_alone():
    def order(seed: int, epoch: int) -> list[list[int]]:
        batches = EdgeBatches(SIZES, 1000, seed)
        batches.set_epoch(epoch)
        return list(batches)

    assert order(0, 1) == order(0, 1)
    assert len({str(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
    together = [{frozenset(batch) for batch in order(0, epoch)} for epoch in (0, 1)]
    assert not together[0] & together[1]  # other batches, not only another order of them


def test_resume_within_an_epoch():
    batches = EdgeBatches(SIZES, 1000, seed=0)
    batches.set_epoch(2)
    whole = list(batches)
    resumed = EdgeBatches(SIZES, 1000, seed=0)
    resumed.start_at(epoch=2, batch=7)
    resumed.set_epoch(2)  # as Lightning does before it goes on
    assert list(resumed) == whole[7:]
    resumed.set_epoch(3)
    batches.set_epoch(3)
    assert list(resumed) == list(batches)
    assert len(resumed) == len(whole)


def test_shards_take_turns():
    whole = EdgeBatches(SIZES, 1000, seed=0, world=2)
    even, odd = ([*whole.shard(rank, 2)] for rank in (0, 1))
    assert len(even) == len(odd) == len(whole)
    assert not {index for batch in even for index in batch} & {index for batch in odd for index in batch}


def test_fewer_graphs_than_processes():
    shards = [list(EdgeBatches([10, 10], 100, seed=0).shard(rank, 3)) for rank in range(3)]
    assert sorted(len(batch) for (batch,) in shards) == [0, 1, 1]


def test_one_structure_above_the_cap_is_told_once():
    with pytest.warns(
        UserWarning,
        match=r"at most 100 edges \(training\.batch_edges\), got 2 larger ones, the largest is frame 30 with 500",
    ) as caught:
        batches = EdgeBatches([10, 500, 20, 300], 100, 0, frames=np.array([7, 30, 8, 9]))
    assert len(caught) == 1
    assert sorted(map(sorted, batches)) == [[0, 2], [1], [3]]


def test_nothing_to_distribute():
    for arguments in (([], 10, 0), ([1], 0, 0), ([1], 10, 0, None, 2, 2)):
        with pytest.raises(
            ValueError, match="EdgeBatches: expected graphs, a cap of at least 1 edge and a rank below world"
        ):
            EdgeBatches(*arguments)


def test_lightning_sets_the_epoch():
    """Every epoch has other batches, as many, and all of them."""
    batches, seen = EdgeBatches(np.full(12, 10), 30, seed=0), []

    class Module(LightningModule):
        def training_step(self, batch, batch_idx):
            seen.append(sorted(batch.tolist()))

        def configure_optimizers(self):
            return None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loader = torch.utils.data.DataLoader(torch.arange(12), batch_sampler=batches)
        trainer = Trainer(
            max_epochs=3,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Module(), loader)
    steps = len(batches)
    epochs = [seen[start : start + steps] for start in range(0, len(seen), steps)]
    assert len(epochs) == 3
    for epoch in epochs:
        assert sorted(index for batch in epoch for index in batch) == list(range(12))
    assert epochs[0] != epochs[1] != epochs[2]
