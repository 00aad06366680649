"""Keep the best model of a training on disk."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from eqgraph.models import save_potential


class SaveBest(Callback):
    """Write `model.eqg` whenever the validation loss is lower than ever before.

    In the list of callbacks it stands before `EMA`, so that it saves the weights that were validated.

    Args:
        path: of the model file.
        metadata: what goes into its header besides the model itself; the epoch and the validation errors are added.
    """

    def __init__(self, path: Path, metadata: dict[str, Any]) -> None:
        self.path, self.metadata = path, metadata
        self.loss, self.epoch = math.inf, None

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        loss = module.errors.loss(module.weights)
        if not loss < self.loss:
            return
        epoch = trainer.current_epoch + 1
        errors = [row._asdict() for row in module.errors.rows()]
        save_potential(self.path, module.potential, self.metadata | {"validation": {"epoch": epoch, "errors": errors}})
        self.loss, self.epoch = loss, epoch  # only once the file is there

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self.loss, "epoch": self.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.loss, self.epoch = state_dict["loss"], state_dict["epoch"]
