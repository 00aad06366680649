"""Which model of a training is kept on disk."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from eqgraph.model_file import add_metadata
from eqgraph.models import holds_state

from .ema import EMA

Save = Callable[[Path, torch.nn.Module, dict[str, Any]], None]
"""Writes a model and its metadata to a path."""


class SaveModel(Callback, ABC):
    """Write `model.eqg`, and keep what it says in checkpoints.

    The file and the checkpoint are two files, and a process may die between them: a run that goes on writes the model of its checkpoint
    again, whatever the file says.

    Args:
        path: of the model file.
        save: writes it.
        metadata: what goes into its header besides the model itself; the epoch and the validation errors are added.
    """

    def __init__(self, path: Path, save: Save, metadata: dict[str, Any]) -> None:
        self.path, self.save, self.metadata = path, save, metadata
        self.loss, self.stage = math.inf, 0
        self.kept: dict[str, Any] | None = None  # weights and validation of the model in the file
        self._restored = False

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        if not self._restored or self.kept is None or not trainer.is_global_zero:
            return
        metadata = self.metadata | {"validation": self.kept["validation"]}
        if holds_state(self.path, self.kept["state"]):
            add_metadata(self.path, metadata)  # what travels with the weights of a run that was over stays
            return
        now = _copied(module.model)
        module.model.load_state_dict(self.kept["state"])
        self.save(self.path, module.model, metadata)
        module.model.load_state_dict(now)

    def keep(self, trainer: Trainer, module: LightningModule) -> None:
        """Write the model as it is."""
        if not trainer.is_global_zero:
            return
        validation = {"epoch": trainer.current_epoch + 1, "errors": module.validation()}
        self.save(self.path, module.model, self.metadata | {"validation": validation})
        self.kept = {"state": _copied(module.model), "validation": validation}  # only once the file is there

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self.loss, "stage": self.stage, "kept": self.kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.loss, self.stage, self.kept = state_dict["loss"], state_dict["stage"], state_dict["kept"]
        self._restored = True


class SaveBest(SaveModel):
    """Write `model.eqg` whenever the validation loss is lower than ever before, in the same stage of the loss.

    With other weights the loss is another number: the first validation of a stage always writes.

    In the list of callbacks it stands before `EMA`, so that it saves the weights that were validated.

    Args:
        path, save, metadata: see `SaveModel`.
    """

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        loss = module.valid_loss()
        if loss < (self.loss if module.stage == self.stage else math.inf):
            self.keep(trainer, module)
            self.loss, self.stage = loss, module.stage


class SaveLast(SaveModel):
    """Write `model.eqg` after every epoch, so that in the end it is that of the final one, whatever the validation said.

    Args:
        path, save, metadata: see `SaveModel`.
        ema: whose running mean of the weights is written.
    """

    def __init__(self, path: Path, save: Save, metadata: dict[str, Any], ema: EMA) -> None:
        super().__init__(path, save, metadata)
        self.ema = ema

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.ema.mean.swap(module.model)
        try:
            self.keep(trainer, module)
        finally:
            self.ema.mean.swap(module.model)


def _copied(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
