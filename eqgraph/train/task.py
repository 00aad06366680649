"""What is particular to one kind of training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from rich.console import Console

from .config import Section
from .module import TrainingModule
from .output import RunDirectory
from .run_page import RunRecord


@dataclass(frozen=True)
class FitResult:
    """What a training leaves behind."""

    output: Path
    model: Path  # the one that is kept; of several seeds that of the first
    errors: dict[str, Any]  # name of a set -> errors (potentials) or scores (point clouds) of that model
    history: list[dict[str, float]]  # rows of metrics.csv
    seeds: list[FitResult] = field(default_factory=list)  # of a training with several seeds, one by one
    valid: Any = None  # predictions for the validation structures, if the task compares those of several seeds


@dataclass(frozen=True)
class Run:
    """A training that is over."""

    config: Any
    data: Any
    output: RunDirectory
    device: torch.device
    console: Console
    choices: dict[str, str]  # what was printed at the start
    history: list[dict[str, float]]  # rows of metrics.csv

    def record(self, header: dict[str, Any]) -> RunRecord:
        """For its page; header: of the model file."""
        text = self.output.config.read_text(encoding="utf-8")
        return RunRecord(self.output.path, self.config.task, self.history, text, header, self.choices)


class Task(ABC):
    """Reads, builds, trains, saves and reports one kind of model; `fit` does what is the same for all.

    A config is of `config_class`. Its section `training` is a TrainingConfig; `data` is what `read` returned.
    """

    config_class: type[Section]
    runs_in_several_processes = False
    """Whether batches, losses and errors are shared out among processes."""

    @abstractmethod
    def check(self, config: Any) -> None:
        """Refuse what a config cannot ask for on this machine, before anything is read."""

    @abstractmethod
    def read(self, config: Any) -> LightningDataModule:
        """Everything that a config names; has `edges_per_step`, from which follow the threads, and `order`, the EpochShuffle of its
        training batches, with which a run can go on in the middle of an epoch."""

    @abstractmethod
    def build(self, config: Any, data: Any) -> torch.nn.Module:
        """The model with freshly drawn weights."""

    @abstractmethod
    def module(
        self, config: Any, data: Any, model: torch.nn.Module, max_steps: int, time_progress: Callable[[], float]
    ) -> TrainingModule:
        """The model under training."""

    @abstractmethod
    def choices(self, config: Any, data: Any, model: torch.nn.Module) -> dict[str, str]:
        """What is printed at the start."""

    @abstractmethod
    def metadata(self, config: Any, data: Any) -> dict[str, Any]:
        """What the model file says besides the config."""

    @abstractmethod
    def save(self, path: Path, model: torch.nn.Module, metadata: dict[str, Any]) -> None:
        """Write a model file."""

    def check_model(self, data: Any, header: dict[str, Any]) -> None:
        """Refuse data that are not of the kind that a model file was trained on; nothing unless the task says otherwise."""
        return

    @abstractmethod
    def evaluate(
        self, config: Any | None, data: Any | None, model: Path, device: torch.device, console: Console
    ) -> Any:
        """Predict with a model file what `read` returned, or nothing if that is None; for `report` and `write_page`. Has `header`, that
        of the file, and `model`. config: None only if data is."""

    @abstractmethod
    def report(self, run: Run) -> FitResult:
        """Evaluate the model file, print and write tables, plots and the page."""

    @abstractmethod
    def write_page(self, path: Path, record: RunRecord, found: Any | None) -> None:
        """Write the page of a run; found: what `evaluate` returned, None if there is no model yet."""

    def join_seeds(self, output: RunDirectory, results: list[FitResult], console: Console) -> None:
        """What several seeds are together, once all are trained; nothing unless the task says otherwise."""
        return

    @abstractmethod
    def numbers(self, errors: dict[str, Any]) -> dict[tuple[str, ...], float]:
        """Errors or scores as named numbers, of which several seeds have a mean and a deviation; the first name is the set's."""

    @abstractmethod
    def error_rows(self, errors: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        """Errors or scores as rows of tables, which the model file keeps."""

    number_names: tuple[str, ...]
    """What the names in `numbers` are."""
