"""From a config to a trained potential on disk, with its tables and plots."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, Timer
from rich.console import Console

from eqgraph.models import Potential, build_potential, load_potential

from .checkpoint import CheckpointFile
from .compiled_loss import why_not
from .config import Config
from .data import PotentialData
from .ema import EMA
from .evaluate import Evaluation, evaluate
from .history import History
from .metrics import PotentialErrors
from .module import DivergedError, PotentialModule
from .output import RunDirectory
from .progress import TrainingProgress
from .report import plot_learning_curve, plot_parity
from .save_best import SaveBest
from .settings import choose_device, choose_threads, settings
from .tables import choices_table, error_table, write_errors

_COMPILING_PAYS = 900.0
"""Seconds: one to three minutes of compiling against a quarter to a third of the time of the steps."""
UNITS = {"energy": "eV", "length": "Å", "forces": "eV/Å", "stress": "eV/Å³"}


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during a training; the message says what is on disk."""


@dataclass(frozen=True)
class FitResult:
    """What a training leaves behind."""

    output: Path
    model: Path  # the best model
    errors: dict[str, PotentialErrors]  # set of structures -> errors of the best model
    history: list[dict[str, float]]  # rows of metrics.csv


def fit(config: Config, console: Console | None = None) -> FitResult:
    """Train a potential, save the best, evaluate it, and write tables and plots to `config.training.output`.

    The directory then holds model.eqg (best model), last.ckpt (to resume), config.yaml, metrics.csv (a row per epoch), errors.csv,
    learning_curve.png and a parity_*.png per set of structures.

    Args:
        config: see `eqgraph.train.Config`.
        console: where to print; standard output if None.

    Raises:
        ValueError, FileNotFoundError: for bad input, before anything is written.
        OSError: if a file cannot be written; names the last good model, which is intact.
        DivergedError: if the loss is not a number any more; names the last good model.
        TrainingInterrupted: on Ctrl-C; names the last good model.
    """
    console = console or Console()
    output = RunDirectory(config.training.output)
    output.check(config)
    device = choose_device(config.training.device)
    if config.training.compile and (reason := why_not()):
        raise ValueError(f"Expected to compile the training step (training.compile), came: {reason}. Set it to false.")
    with settings(config.training):
        data = PotentialData(config)
        torch.set_num_threads(choose_threads(config.training.threads, data.edges_per_step))
        potential = _build(config, data)
        console.print(choices_table(_choices(config, data, potential, device)))
        try:
            output.open(config)
            history = _train(config, data, potential, output, device, console)
            return _report(config, data, output, device, console, history)
        except DivergedError as error:
            raise DivergedError(f"{error} {_left_behind(output)}") from None
        except OSError as error:
            raise OSError(
                f"Expected to write to training.output = '{output.path}', came: {error}. {_left_behind(output)}"
            ) from error
        except KeyboardInterrupt:
            raise TrainingInterrupted(f"Interrupted. {_left_behind(output)}") from None


def _build(config: Config, data: PotentialData) -> Potential:
    potential = build_potential(
        config.model.architecture,
        config.model.network,
        species=data.species,
        cutoff=config.model.cutoff,
        shifts=torch.tensor([data.atomic_energies[number] for number in data.species], dtype=torch.float64),
        scales=torch.full((len(data.species),), data.scale, dtype=torch.float64),
        avg_num_neighbors=data.avg_num_neighbors,
    )
    potential.network.to(getattr(torch, config.training.dtype))
    return potential


def _choices(config: Config, data: PotentialData, potential: Potential, device: torch.device) -> dict[str, str]:
    """What is printed once at the start."""
    training = config.training
    threads = torch.get_num_threads()
    hardware = f"{threads} thread{'s' if threads > 1 else ''}"
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    energies = ", ".join(f"{symbol} {energy:.4f}" for symbol, energy in data.named_atomic_energies.items())
    tests = "".join(f", {len(dataset)} test ({name})" for name, dataset in data.test.items())
    num_parameters = sum(parameter.numel() for parameter in potential.parameters())
    isolated = data.num_isolated_atoms
    atoms = f", {isolated} isolated atom{'s' if isolated > 1 else ''} recognized" if isolated else ""
    limit = f", at most {timedelta(seconds=training.max_time)}" if training.max_time else ""
    return {
        "model": f"{config.model.architecture}, {num_parameters} parameters, cutoff {config.model.cutoff:g} Å",
        "structures": f"{len(data.train)} training, {len(data.valid)} validation{tests}{atoms}",
        "labels": _labels(data),
        "E0s (eV)": f"{energies} ({data.atomic_energies_source})",
        "scale": f"{data.scale:.4g} eV ({data.scale_source})",
        "neighbors": f"{data.avg_num_neighbors:.1f} on average",
        "loss": ", ".join(f"{name} {weight:g}" for name, weight in config.loss if weight),
        "optimizer": f"{config.optimizer.name}, learning rate {config.optimizer.learning_rate:g}, {config.schedule.name} schedule",
        "length": f"{training.max_epochs} epochs of {len(data.train_dataloader())} steps{limit}",
        "dtype": f"{training.dtype} network, float64 energies",
        "device": f"{device}, {hardware}",
        "backend": f"PyTorch {torch.__version__}, {'deterministic' if training.deterministic else 'not deterministic'}",
        "compiled": _compiled(training.compile, training.max_time),
        "seed": str(training.seed),
        "output": str(training.output),
    }


def _compiled(wanted: bool, max_time: float | None) -> str:
    """Whether the training step is, and if not paying, why."""
    if not wanted:
        return "no"
    if max_time is not None and max_time < _COMPILING_PAYS:
        return f"yes, which takes minutes and does not pay in {timedelta(seconds=max_time)}: set training.compile=false"
    return "yes, the first step takes minutes"


def _labels(data: PotentialData) -> str:
    """How many of the training structures have which label: a part of them without forces should not go unnoticed."""
    counts = {
        name: sum(getattr(frame, name) is not None for frame in data.train.frames)
        for name in ("energy", "forces", "stress")
    }
    return (
        ", ".join(f"{name} {count} of {len(data.train)}" for name, count in counts.items() if count)
        + " training structures"
    )


def _left_behind(output: RunDirectory) -> str:
    """Which good files there are after an accident."""
    found = []
    if output.model.is_file():
        found.append(f"The last good model is intact: {output.model}.")
    if output.checkpoint.is_file():
        found.append(f"The last checkpoint is intact: {output.checkpoint} (training.resume=true goes on from it).")
    return " ".join(found) or "No model had been saved yet."


def _train(
    config: Config,
    data: PotentialData,
    potential: Potential,
    output: RunDirectory,
    device: torch.device,
    console: Console,
) -> list[dict[str, float]]:
    training = config.training
    timer = Timer(timedelta(seconds=training.max_time) if training.max_time else None, verbose=False)
    max_steps = training.max_epochs * len(data.train_dataloader())

    def time_progress() -> float:
        return timer.time_elapsed("train") / training.max_time if training.max_time else 0.0

    module = PotentialModule(
        potential, config.loss, config.optimizer, config.schedule, max_steps, time_progress, training.compile
    )
    metadata = {
        "units": UNITS,
        "data_hash": data.hash,
        "E0s": data.named_atomic_energies,
        "training": config.model_dump(mode="json"),
    }
    history = History(output.history, timer)
    callbacks: list[Callback] = [
        timer,
        SaveBest(output.model, metadata),
        EMA(training.ema_decay),
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
        inference_mode=False,  # validation needs derivatives
        callbacks=callbacks,
        plugins=[CheckpointFile()],
        logger=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    _fit_until_interrupted(trainer, module, data, output.checkpoint if training.resume else None)
    return history.rows


def _fit_until_interrupted(
    trainer: Trainer, module: PotentialModule, data: PotentialData, checkpoint: Path | None
) -> None:
    """Lightning turns Ctrl-C into SystemExit and then ignores further ones: make it KeyboardInterrupt again."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, data, ckpt_path=checkpoint)
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, handler)


def _report(
    config: Config, data: PotentialData, output: RunDirectory, device: torch.device, console: Console, history: list
) -> FitResult:
    if not output.model.is_file():
        raise DivergedError(
            "Expected a finite validation loss at least once, came none. Lower optimizer.learning_rate, and look for wrong labels in "
            "the validation structures."
        )
    potential, header = load_potential(output.model, device)
    potential.requires_grad_(False)
    evaluations: dict[str, Evaluation] = {}
    with console.status("Evaluating the best model"):
        for name, dataset in {"train": data.train, "valid": data.valid, **data.test}.items():
            evaluations[name] = evaluate(potential, dataset, config.training.valid_batch_size)
    errors = {name: evaluation.errors for name, evaluation in evaluations.items()}
    console.print(error_table(errors))
    write_errors(output.errors, errors)
    plot_learning_curve(output.learning_curve, history)
    for name, evaluation in evaluations.items():
        plot_parity(output.parity(name), evaluation, name)
    epoch = header["metadata"]["validation"]["epoch"]
    plots = [output.learning_curve, *map(output.parity, evaluations)]
    for what, paths in (
        (f"Best model (epoch {epoch})", [output.model]),
        ("Tables", [output.history, output.errors]),
        ("Plots", plots),
    ):
        console.print(f"{what}: {', '.join(map(str, paths))}", soft_wrap=True, highlight=False)
    return FitResult(output.path, output.model, errors, history)
