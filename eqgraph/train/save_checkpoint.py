"""When a checkpoint is written."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from .stop_signals import StopRequestedError, StopSignals

_VALIDATION_PATIENCE = 10.0
"""Seconds that a validation may take to its end after a signal: Slurm kills 30 s after SIGTERM."""


class SaveCheckpoint(Checkpoint):
    """Write a checkpoint at the end of every epoch, within an epoch every so many seconds, and when a signal asks to stop.

    Lightning calls a Checkpoint after all other callbacks: what these count and average is up to date in it. Never written is one
    between the last step of an epoch and its end: Lightning would leave out the validation of an epoch that goes on from there.

    Args:
        path: of the file.
        every: seconds.
        run: what the file says of the run besides, such as its config.
        stop: the signals.
    """

    def __init__(self, path: Path, every: float, run: dict[str, Any], stop: StopSignals) -> None:
        self.path, self.every, self.run, self.stop = path, every, run, stop
        self._written = time.monotonic()
        self._position: dict[str, int] = {}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.stop.install()
        self._written = time.monotonic()
        self.stop.postponed = True

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        done = batch_idx + 1
        if done == trainer.num_training_batches or trainer.should_stop:
            return
        due = time.monotonic() - self._written >= self.every
        # all processes of a training decide alike
        signum, due = trainer.strategy.broadcast((self.stop.signum, due))
        if signum or due:
            self._write(trainer, batch=done)
        if signum:
            raise StopRequestedError(signum)

    def on_validation_batch_end(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        if self.stop.signum and time.monotonic() - self.stop.since > _VALIDATION_PATIENCE:
            raise StopRequestedError(self.stop.signum)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._write(trainer, batch=0)
        if signum := trainer.strategy.broadcast(self.stop.signum):
            raise StopRequestedError(signum)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.stop.postponed = False
        if self.stop.signum:
            raise StopRequestedError(self.stop.signum)

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        self.stop.postponed = False

    def on_save_checkpoint(self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["run"] = self.run | self._position

    def _write(self, trainer: Trainer, batch: int) -> None:
        # of the epoch that is to be trained next, or further; the end of this one is counted already when it is over
        epoch = trainer.fit_loop.epoch_progress.current.processed
        self._position = {"epoch": epoch, "batch": batch, "num_batches": int(trainer.num_training_batches)}
        trainer.save_checkpoint(self.path, weights_only=False)
        self._written = time.monotonic()
