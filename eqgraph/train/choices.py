"""The table at the start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lightning.pytorch import LightningDataModule
from rich.table import Table

from eqgraph.report import plain


def choices_table(choices: dict[str, str]) -> Table:
    """What a training is about to do: nothing is chosen silently."""
    table = Table(title="Training", title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in choices.items():
        table.add_row(name, plain(value))
    return table


def shared_choices(config: Any, data: LightningDataModule, hardware: dict[str, str]) -> dict[str, str]:
    """What is printed at the start, whatever is trained.

    Args:
        config: of the training.
        data: what it reads.
        hardware: what is computed on which machine, as far as it is known.
    """
    training = config.training
    limit = f", at most {timedelta(seconds=training.max_time)}" if training.max_time else ""
    return {
        "optimizer": f"{config.optimizer.name}, learning rate {config.optimizer.learning_rate:g}, {config.schedule.name} schedule",
        "length": f"{training.max_epochs} epochs of {len(data.train_dataloader())} steps{limit}",
        **hardware,
        "seed": str(training.seed),
        "output": str(training.output),
    }
