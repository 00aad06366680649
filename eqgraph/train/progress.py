"""One progress bar for the whole training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text
from torch_geometric.data import Data

SECONDS_BETWEEN_LINES = 10.0


class _TwoLineBar(Progress):
    """A progress bar with numbers below: beside it, 80 columns are too few."""

    numbers = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield Text(self.numbers)


class TrainingProgress(ProgressBar):
    """Epoch, rate, training loss and what the module says besides: a moving bar in a terminal, a line now and then in a log file.

    Args:
        console: where to print.
        progress: gives the fraction of the training that is over.
    """

    def __init__(self, console: Console, progress: Callable[[], float]) -> None:
        super().__init__()
        self.console, self.progress = console, progress
        self._bar: _TwoLineBar | None = None
        self._enabled = True
        self._epoch, self._rate, self._loss = 0, 0.0, float("nan")
        self._step_time = self._line_time = time.monotonic()

    def disable(self) -> None:
        self._enabled = False

    def enable(self) -> None:
        self._enabled = True

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._step_time = self._line_time = time.monotonic()
        self._epoch = trainer.current_epoch + 1  # where it goes on in the middle of one
        if self._enabled and self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                TextColumn("{task.percentage:3.0f}%"),
                TimeElapsedColumn(),
                TextColumn("<"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[rate]}"),
            )
            self._bar = _TwoLineBar(*columns, console=self.console, refresh_per_second=4, speed_estimate_period=120)
            self._bar.start()
            self._task = self._bar.add_task(self._where(trainer), total=1.0, rate="")

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._epoch = trainer.current_epoch + 1

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Data, *args: Any
    ) -> None:
        now = time.monotonic()
        rate = module.size_of(batch) / max(now - self._step_time, 1e-9)
        self._rate = 0.95 * self._rate + 0.05 * rate if self._rate else rate
        self._loss = outputs["loss"].item()
        self._step_time = now
        self._show(trainer, module)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._step_time = time.monotonic()  # the rate is that of training steps
        self._show(trainer, module)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self._bar is not None:
            self._show(trainer, module)
        else:
            self._print_line(trainer, module)
        self._stop()

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        self._stop()

    def _where(self, trainer: Trainer) -> str:
        return f"epoch {self._epoch}/{trainer.max_epochs}"

    def _rate_text(self, module: LightningModule) -> str:
        return f"{self._rate:.1f} {module.rate_unit}"

    def _numbers(self, module: LightningModule) -> str:
        return f"loss {self._loss:.3g}{module.progress()}"

    def _show(self, trainer: Trainer, module: LightningModule) -> None:
        if self._bar is not None:
            self._bar.numbers = self._numbers(module)
            self._bar.update(
                self._task,
                completed=min(self.progress(), 1.0),
                description=self._where(trainer),
                rate=self._rate_text(module),
            )
        elif time.monotonic() - self._line_time > SECONDS_BETWEEN_LINES:
            self._print_line(trainer, module)

    def _print_line(self, trainer: Trainer, module: LightningModule) -> None:
        self._line_time = time.monotonic()
        if self._enabled:
            line = f"{self._where(trainer)} · {min(self.progress(), 1.0):.0%} · {self._rate_text(module)} · {self._numbers(module)}"
            self.console.print(line, soft_wrap=True, highlight=False)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
