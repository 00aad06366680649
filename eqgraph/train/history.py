"""The learning curve as a table: one row per epoch in `metrics.csv`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Timer

from eqgraph.replacing import replacing

COLUMNS = ("epoch", "step", "seconds", "learning_rate", "train_loss", "valid_loss")
"""Of all trainings; those of `TrainingModule.columns` follow."""


class History(Callback):
    """Write a row after every epoch; the rows travel in checkpoints, so that a resumed run has one table.

    Args:
        path: of the CSV file.
        timer: knows the seconds spent so far.
    """

    def __init__(self, path: Path, timer: Timer) -> None:
        self.path, self.timer = path, timer
        self.rows: list[dict[str, float]] = []

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._write(trainer, module)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        numbers = (
            trainer.current_epoch + 1,
            trainer.global_step,
            round(self.timer.time_elapsed("train"), 3),
            trainer.optimizers[0].param_groups[0]["lr"],
            module.train_loss(),
            module.valid_loss(),
        )
        self.rows.append(dict(zip(COLUMNS, numbers, strict=True)) | module.columns())
        self._write(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])

    def _write(self, trainer: Trainer, module: LightningModule) -> None:
        """All of it: a line at the end of the file could be half a line, or that of an epoch that is trained again."""
        if not trainer.is_global_zero:
            return
        with replacing(self.path) as path, path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, (*COLUMNS, *module.columns()))
            writer.writeheader()
            writer.writerows(self.rows)
