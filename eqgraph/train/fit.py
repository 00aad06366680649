"""From a config to a trained model on disk, with its tables and plots; and from a run that stopped to its end."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from eqgraph.launch import launched

from .choices import choices_table, shared_choices
from .complete_card import complete_card
from .config import Section
from .config_file import load_config
from .earlier_run import EarlierRun
from .module import DivergedError
from .output import RunDirectory
from .seeds import fit_seeds
from .settings import choose_device, choose_threads, settings
from .start import Start
from .stop_signals import StopRequestedError, StopSignals
from .task import FitResult, Run, Task
from .tasks import TASKS
from .trainer import train


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM during a training; the message says what is on disk.

    Attributes:
        signum: the signal.
    """

    def __init__(self, message: str, signum: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signum = signum


def fit(config: Section, console: Console | None = None) -> FitResult:
    """Train a model, save it, evaluate it, and write tables and plots to `config.training.output`.

    The directory then holds model.eqg, last.ckpt and previous.ckpt (to resume), config.yaml, metrics.csv (a row per epoch) and what
    the task adds: tables of errors and pictures.

    Args:
        config: see `eqgraph.train.Config` (potentials) and `eqgraph.train.PointsConfig`.
        console: where to print; standard output if None.

    Raises:
        ValueError, FileNotFoundError: for bad input, before anything is written.
        OSError: if a file cannot be written; names the last good model, which is intact.
        DivergedError: if the loss is not a number any more; names the last good model.
        TrainingInterrupted: on Ctrl-C or SIGTERM, after a checkpoint; names the last good model.
    """
    return _fit_all(config, console or _console(), Start(config.training.output))


def resume(
    path: str | Path,
    overrides: list[str] | tuple[str, ...] = (),
    allow_changes: bool = False,
    console: Console | None = None,
) -> FitResult:
    """Go on with a run that stopped, however it did; one that is over is only evaluated again.

    On the CPU it ends bit for bit where it would have ended without the stop, unless its length depends on time (training.max_time):
    the time that is spent already counts, but how many steps the rest of it holds does not repeat itself.

    Args:
        path: directory of the run, which may have been moved.
        overrides: `section.key=value`, changes of its config. Those of length, place and hardware are free.
        allow_changes: go on with other changes, too.
        console: where to print; standard output if None.

    Raises:
        ValueError, FileNotFoundError: if there is no run, its checkpoints are damaged, or its config or data are others; names these.
        OSError, DivergedError, TrainingInterrupted: as `fit`.
    """
    output = RunDirectory(Path(path).resolve())
    before = output.config_before()
    for override in overrides:
        if override.partition("=")[0].strip() in ("training.output", "training.overwrite"):
            raise ValueError(
                f"Expected changes of the run in '{output.path}', came '{override}': it goes on in its directory. Leave it out."
            )
    config = load_config(output.config, overrides)
    config = config.model_copy(update={"training": config.training.model_copy(update={"output": output.path})})
    seeds = before.get("training", {}).get("seeds", 1)
    if (seeds == 1) != (config.training.seeds == 1):
        raise ValueError(
            f"Expected a run of {'one seed' if seeds == 1 else 'several seeds'} to resume in '{output.path}', came training.seeds="
            f"{config.training.seeds}. Set it back, or start a new run in another directory."
        )
    return _fit_all(config, console or _console(), Start(output.path, resume=True, allow_changes=allow_changes))


def _console() -> Console:
    return Console(quiet=not launched().is_first)


def _fit_all(config: Any, console: Console, start: Start) -> FitResult:
    task = TASKS[config.task]
    if (world := launched().world) > 1 and (config.training.seeds > 1 or not task.runs_in_several_processes):
        seeds = config.training.seeds
        expected, came = (
            ("training.seeds=1", f"{seeds} seeds") if seeds > 1 else ("a potential", f"task: {config.task}")
        )
        raise ValueError(f"Expected {expected} in {world} processes, came {came}. Start it in one process.")
    if config.training.seeds > 1:
        return fit_seeds(config, task, console, start, _fit)
    return _fit(config, task, console, start)


def _fit(config: Any, task: Task, console: Console, start: Start) -> FitResult:
    output, stop = RunDirectory(config.training.output), StopSignals()
    earlier = None
    if start.resume:
        earlier = EarlierRun(output, config, start.allow_changes, console)
    else:
        if launched().is_first:
            output.check(config)
    device = choose_device(config.training.device)
    task.check(config)
    with settings(config.training):
        data = task.read(config)
        if earlier:
            earlier.check_data(task.metadata(config, data)["data_hash"], len(data.train_dataloader()))
        torch.set_num_threads(choose_threads(config.training.threads, data.edges_per_step))
        model = task.build(config, data)
        choices = task.choices(config, data, model) | shared_choices(config, data, _hardware(config, device))
        if earlier:
            choices["resumed"] = str(earlier)
        console.print(choices_table(choices))
        try:
            with stop.caught():
                start.before()
                if launched().is_first:
                    output.open(config, start.resume)
                    if earlier:
                        output.restore_previous(earlier.checkpoint)
                history = train(config, task, data, model, output, device, console, stop, earlier)
                if not launched().is_first:
                    return FitResult(output.path, output.model, {}, history)
                if not output.model.is_file():
                    raise DivergedError(
                        "Expected a finite validation loss at least once, came none. Lower optimizer.learning_rate, and look for "
                        "wrong labels in the validation data."
                    )
                result = task.report(Run(config, data, output, device, console, choices, history))
                complete_card(output.model, task.error_rows(result.errors), history)
                return result
        except DivergedError as error:
            raise DivergedError(f"{error} {_left_behind(output, start)}") from None
        except OSError as error:
            raise OSError(
                f"Expected to write to training.output = '{output.path}', came: {error}. {_left_behind(output, start)}"
            ) from error
        except StopRequestedError as error:
            what = "Interrupted." if error.signum == signal.SIGINT else f"Ended by {error}."
            raise TrainingInterrupted(f"{what} {_left_behind(output, start)}", error.signum) from None
        except KeyboardInterrupt:
            raise TrainingInterrupted(f"Interrupted. {_left_behind(output, start)}") from None


def _hardware(config: Any, device: torch.device) -> dict[str, str]:
    threads = torch.get_num_threads()
    hardware = f"{threads} thread{'s' if threads > 1 else ''}"
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    return {
        "device": f"{device}, {hardware}",
        "backend": f"PyTorch {torch.__version__}, {'deterministic' if config.training.deterministic else 'not deterministic'}",
    }


def _left_behind(output: RunDirectory, start: Start) -> str:
    """Which good files there are after an accident, and how to go on."""
    found = []
    if output.model.is_file():
        found.append(f"The last good model is intact: {output.model}.")
    if output.checkpoint.is_file():
        found.append(
            f"The last checkpoint is intact: {output.checkpoint}. To go on from it: eqgraph train --resume {start.root}"
        )
    return " ".join(found) or "No model had been saved yet."
