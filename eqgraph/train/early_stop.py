"""The end of a training whose validation does not get better."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping


class EarlyStop(EarlyStopping):
    """Stop after `patience` epochs without a better validation loss.

    Lightning's takes the patience from the checkpoint and trains on when a run that had stopped is resumed; this one does neither.

    Args:
        patience: epochs.
    """

    def __init__(self, patience: int) -> None:
        super().__init__("valid_loss", patience=patience, check_finite=False)

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict | {"patience": self.patience})
