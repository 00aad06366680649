"""Random numbers of an epoch."""

from __future__ import annotations

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class EpochSeed(Callback):
    """Dropout and the like depend on the seed and the epoch alone, so that a resumed run goes on with the same numbers.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        torch.manual_seed(epoch_seed(self.seed, trainer.current_epoch))


def epoch_seed(seed: int, epoch: int) -> int:
    """A seed for each epoch of each run.

    Example:
        >>> epoch_seed(2, 5)
        2000011
    """
    return seed * 1_000_003 + epoch
