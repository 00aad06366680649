"""Which model of a training is kept on disk."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from .ema import EMA

Save = Callable[[Path, torch.nn.Module, dict[str, Any]], None]
"""Writes a model and its metadata to a path."""


class SaveBest(Callback):
    """Write `model.eqg` whenever the validation loss is lower than ever before.

    In the list of callbacks it stands before `EMA`, so that it saves the weights that were validated.

    Args:
        path: of the model file.
        save: writes it.
        metadata: what goes into its header besides the model itself; the epoch and the validation errors are added.
    """

    def __init__(self, path: Path, save: Save, metadata: dict[str, Any]) -> None:
        self.path, self.save, self.metadata = path, save, metadata
        self.loss, self.epoch = math.inf, None

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        loss = module.valid_loss()
        if not loss < self.loss:
            return
        epoch = trainer.current_epoch + 1
        self.save(self.path, module.model, self.metadata | _validation(epoch, module))
        self.loss, self.epoch = loss, epoch  # only once the file is there

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self.loss, "epoch": self.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.loss, self.epoch = state_dict["loss"], state_dict["epoch"]


class SaveLast(Callback):
    """Write `model.eqg` after every epoch, so that in the end it is that of the final one, whatever the validation said.

    Args:
        path: of the model file.
        save: writes it.
        metadata: as in `SaveBest`.
        ema: whose running mean of the weights is written.
    """

    def __init__(self, path: Path, save: Save, metadata: dict[str, Any], ema: EMA) -> None:
        self.path, self.save, self.metadata, self.ema = path, save, metadata, ema

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.ema.mean.swap(module.model)
        try:
            self.save(self.path, module.model, self.metadata | _validation(trainer.current_epoch + 1, module))
        finally:
            self.ema.mean.swap(module.model)


def _validation(epoch: int, module: LightningModule) -> dict[str, Any]:
    return {"validation": {"epoch": epoch, "errors": module.validation()}}
