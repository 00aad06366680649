"""The order of the training data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch

from .epoch_seed import epoch_seed


class EpochShuffle(torch.utils.data.Sampler[int]):
    """A new order in every epoch that depends on the seed and the epoch alone, so that a resumed run goes on with the same ones.

    Attributes:
        first_batch: with which batch the epoch begins; above 0 where a run goes on in the middle of an epoch.

    Args:
        length: number of things to order.
        seed: of the orders.

    Example:
        >>> order = EpochShuffle(4, seed=0)
        >>> first = list(order)
        >>> order.set_epoch(1)
        >>> sorted(order) == sorted(first), list(order) == first
        (True, False)
    """

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed = length, seed
        self.epoch, self.first_batch = 0, 0

    def start_at(self, epoch: int, batch: int) -> None:
        """Begin with a batch of an epoch; the epochs after it are whole."""
        self.epoch, self.first_batch = epoch, batch

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before every epoch, also before one that goes on in its middle."""
        if epoch != self.epoch:
            self.start_at(epoch, 0)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch))
        return iter(torch.randperm(self.length, generator=generator).tolist())

    def __len__(self) -> int:
        return self.length


class EpochBatches(torch.utils.data.Sampler[list[int]]):
    """Batches of equal size (the last may be smaller) in the order of an EpochShuffle, from its first batch on.

    Args:
        sampler: the order.
        batch_size: things per batch, of all processes together.
        rank, world: which of how many processes takes its share of each batch; that of the last batch may be empty, [].

    Example:
        >>> order = EpochShuffle(5, seed=0)
        >>> batches = list(EpochBatches(order, 2))
        >>> order.start_at(epoch=0, batch=1)
        >>> list(EpochBatches(order, 2)) == batches[1:]
        True
    """

    def __init__(self, sampler: EpochShuffle, batch_size: int, rank: int = 0, world: int = 1) -> None:
        self.sampler, self.batch_size, self.rank, self.world = sampler, batch_size, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        batches = torch.utils.data.BatchSampler(self.sampler, self.batch_size, drop_last=False)
        return (batch[self.rank :: self.world] for batch in islice(iter(batches), self.sampler.first_batch, None))

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)
