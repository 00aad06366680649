"""The run that goes on: its checkpoint, and what has changed since."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from .changes import Change, changes, refuse
from .checkpoint import DamagedCheckpointError, good_checkpoint
from .config import Section
from .output import RunDirectory, as_written


class EarlierRun:
    """Looks for the last good checkpoint of a run; prints what has changed since.

    Attributes:
        checkpoint: its path, or None: the run stopped before the first one, and begins anew.
        epoch, batch: with which it goes on (from 0).
        changes: of the config and the data.

    Args:
        output: where it is.
        config: of now.
        allow_changes: whether the config and the data may be others.
        console: where to print.

    Raises:
        ValueError: if its checkpoints are damaged, or the config is another one.
    """

    def __init__(self, output: RunDirectory, config: Section, allow_changes: bool, console: Console) -> None:
        self.path, self.allow_changes = output.path, allow_changes
        try:
            self.checkpoint, content, note = good_checkpoint(output.checkpoint)
        except DamagedCheckpointError as error:
            raise ValueError(
                f"{error} Restore it from a copy, or start again: eqgraph train {output.config} training.overwrite=true"
            ) from None
        if note:
            console.print(note, soft_wrap=True, highlight=False)
        self._run: dict[str, Any] = content["run"] if content else {"config": output.config_before()}
        self.epoch, self.batch = self._run.get("epoch", 0), self._run.get("batch", 0)
        self.changes = changes(self._run["config"], as_written(config))
        refuse(self.changes, str(self.path), allow_changes)
        for change in self.changes:
            console.print(f"Changed: {change}", soft_wrap=True, highlight=False)

    def check_data(self, data_hash: str, num_batches: int) -> None:
        """Compare the data with those of before.

        Raises:
            ValueError: if they are others, or the run cannot go on in the middle of its epoch with them.
        """
        before = self._run.get("data_hash", data_hash)
        if before != data_hash:
            change = Change("data.hash", before[:12], data_hash[:12])
            refuse([change], str(self.path), self.allow_changes)
            self.changes.append(change)
        if self.batch and num_batches != self._run["num_batches"]:
            raise ValueError(
                f"Expected {self._run['num_batches']} batches per epoch, because the run stopped in the middle of epoch "
                f"{self.epoch + 1}, came {num_batches}. Resume it without the changes and with training.max_epochs={self.epoch + 1} "
                "first, then with the changes."
            )

    def __str__(self) -> str:
        if self.checkpoint is None:
            return "no checkpoint yet, begins anew"
        where = f"batch {self.batch + 1} of {self._run['num_batches']}" if self.batch else "its first batch"
        return f"epoch {self.epoch + 1}, {where}"
