"""From a config to a trained model on disk, with its tables and plots."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, Timer
from rich.console import Console

from .checkpoint import CheckpointFile
from .choices import choices_table
from .config import Section, TrainingConfig
from .ema import EMA
from .epoch_seed import EpochSeed
from .history import History
from .module import DivergedError, TrainingModule
from .output import RunDirectory
from .progress import TrainingProgress
from .save_model import SaveBest, SaveLast
from .seeds import fit_seeds, nothing
from .settings import choose_device, choose_threads, settings
from .task import FitResult, Run, Task
from .tasks import TASKS


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during a training; the message says what is on disk."""


def fit(config: Section, console: Console | None = None) -> FitResult:
    """Train a model, save it, evaluate it, and write tables and plots to `config.training.output`.

    The directory then holds model.eqg, last.ckpt (to resume), config.yaml, metrics.csv (a row per epoch) and what the task adds: tables
    of errors and pictures.

    Args:
        config: see `eqgraph.train.Config` (potentials) and `eqgraph.train.PointsConfig`.
        console: where to print; standard output if None.

    Raises:
        ValueError, FileNotFoundError: for bad input, before anything is written.
        OSError: if a file cannot be written; names the last good model, which is intact.
        DivergedError: if the loss is not a number any more; names the last good model.
        TrainingInterrupted: on Ctrl-C; names the last good model.
    """
    console = console or Console()
    task = TASKS[config.task]
    if config.training.seeds > 1:
        return fit_seeds(config, task, console, _fit)
    return _fit(config, task, console)


def _fit(config: Any, task: Task, console: Console, before: Callable[[], None] = nothing) -> FitResult:
    output = RunDirectory(config.training.output)
    output.check(config)
    device = choose_device(config.training.device)
    task.check(config)
    with settings(config.training):
        data = task.read(config)
        torch.set_num_threads(choose_threads(config.training.threads, data.edges_per_step))
        model = task.build(config, data)
        choices = task.choices(config, data, model) | _choices(config, data, device)
        console.print(choices_table(choices))
        try:
            before()
            output.open(config)
            history = _train(config, task, data, model, output, device, console)
            if not output.model.is_file():
                raise DivergedError(
                    "Expected a finite validation loss at least once, came none. Lower optimizer.learning_rate, and look for wrong "
                    "labels in the validation data."
                )
            return task.report(Run(config, data, output, device, console, choices, history))
        except DivergedError as error:
            raise DivergedError(f"{error} {_left_behind(output)}") from None
        except OSError as error:
            raise OSError(
                f"Expected to write to training.output = '{output.path}', came: {error}. {_left_behind(output)}"
            ) from error
        except KeyboardInterrupt:
            raise TrainingInterrupted(f"Interrupted. {_left_behind(output)}") from None


def _choices(config: Any, data: LightningDataModule, device: torch.device) -> dict[str, str]:
    """What is printed once at the start, whatever is trained."""
    training = config.training
    threads = torch.get_num_threads()
    hardware = f"{threads} thread{'s' if threads > 1 else ''}"
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    limit = f", at most {timedelta(seconds=training.max_time)}" if training.max_time else ""
    return {
        "optimizer": f"{config.optimizer.name}, learning rate {config.optimizer.learning_rate:g}, {config.schedule.name} schedule",
        "length": f"{training.max_epochs} epochs of {len(data.train_dataloader())} steps{limit}",
        "device": f"{device}, {hardware}",
        "backend": f"PyTorch {torch.__version__}, {'deterministic' if training.deterministic else 'not deterministic'}",
        "seed": str(training.seed),
        "output": str(training.output),
    }


def _left_behind(output: RunDirectory) -> str:
    """Which good files there are after an accident."""
    found = []
    if output.model.is_file():
        found.append(f"The last good model is intact: {output.model}.")
    if output.checkpoint.is_file():
        found.append(f"The last checkpoint is intact: {output.checkpoint} (training.resume=true goes on from it).")
    return " ".join(found) or "No model had been saved yet."


def _train(
    config: Any,
    task: Task,
    data: LightningDataModule,
    model: torch.nn.Module,
    output: RunDirectory,
    device: torch.device,
    console: Console,
) -> list[dict[str, float]]:
    training: TrainingConfig = config.training
    timer = Timer(timedelta(seconds=training.max_time) if training.max_time else None, verbose=False)
    max_steps = training.max_epochs * len(data.train_dataloader())

    def time_progress() -> float:
        return timer.time_elapsed("train") / training.max_time if training.max_time else 0.0

    module = task.module(config, data, model, max_steps, time_progress)
    metadata = {**task.metadata(config, data), "training": config.model_dump(mode="json")}
    ema, history = EMA(training.ema_decay), History(output.history, timer)
    keep: Callback
    if training.keep == "best_valid":
        keep = SaveBest(output.model, task.save, metadata)
    else:
        keep = SaveLast(output.model, task.save, metadata, ema)
    callbacks: list[Callback] = [
        timer,
        EpochSeed(training.seed),
        keep,
        ema,
        history,
        TrainingProgress(console, lambda: max(trainer.global_step / max_steps, time_progress())),
        ModelCheckpoint(
            output.path, output.checkpoint.stem, save_on_train_epoch_end=True, enable_version_counter=False
        ),
    ]
    if training.early_stopping:
        callbacks.append(EarlyStopping("valid_loss", patience=training.early_stopping, check_finite=False))
    trainer = Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=[device.index or 0] if device.type == "cuda" else 1,
        max_epochs=training.max_epochs,
        gradient_clip_val=config.optimizer.clip_gradient,
        inference_mode=False,  # validation of potentials needs derivatives
        limit_val_batches=1.0 if data.valid else 0.0,
        callbacks=callbacks,
        plugins=[CheckpointFile()],
        logger=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    _fit_until_interrupted(trainer, module, data, output.checkpoint if training.resume else None)
    return history.rows


def _fit_until_interrupted(
    trainer: Trainer, module: TrainingModule, data: LightningDataModule, checkpoint: Path | None
) -> None:
    """Lightning turns Ctrl-C into SystemExit and then ignores further ones: make it KeyboardInterrupt again."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, data, ckpt_path=checkpoint)
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, handler)
