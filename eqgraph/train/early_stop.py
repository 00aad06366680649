"""The end of a training whose validation does not get better."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping


class EarlyStop(EarlyStopping):
    """Stop after `patience` epochs without a better validation loss; with each stage of the loss, counting begins again.

    Lightning's takes the patience from the checkpoint and trains on when a run that had stopped is resumed; this one does neither.

    Args:
        patience: epochs.
    """

    def __init__(self, patience: int) -> None:
        super().__init__("valid_loss", patience=patience, check_finite=False)
        self.stage = 0

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if module.stage != self.stage:
            self.stage, self.wait_count, self.best_score = module.stage, 0, torch.tensor(torch.inf)
        super().on_validation_end(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"stage": self.stage}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict | {"patience": self.patience})
        self.stage = state_dict["stage"]
