"""Random numbers of an epoch."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from .random_state import random_state, seed_all, set_random_state


class EpochSeed(Callback):
    """Dropout and the like depend on the seed, the epoch and the step alone, so that a resumed run goes on with the same numbers.

    Every epoch starts the generators anew; checkpoints hold their state for those who go on in the middle of one.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._restored: dict[str, Any] | None = None

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        # Lightning's loaders exist by now, and have drawn what they draw
        if self._restored is not None:
            set_random_state(self._restored)
            self._restored = None

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        seed_all(epoch_seed(self.seed, trainer.current_epoch))

    def state_dict(self) -> dict[str, Any]:
        return random_state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict


def epoch_seed(seed: int, epoch: int) -> int:
    """A seed for each epoch of each run.

    Example:
        >>> epoch_seed(2, 5)
        2000011
    """
    return seed * 1_000_003 + epoch
