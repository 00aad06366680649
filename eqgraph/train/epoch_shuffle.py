"""The order of the training data."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .epoch_seed import epoch_seed


class EpochShuffle(torch.utils.data.Sampler[int]):
    """A new order in every epoch that depends on the seed and the epoch alone, so that a resumed run goes on with the same ones.

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
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before every epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch))
        return iter(torch.randperm(self.length, generator=generator).tolist())

    def __len__(self) -> int:
        return self.length
