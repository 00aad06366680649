"""The page of a run from what is in its directory, whether it is over, was interrupted or still runs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from rich.console import Console

from eqgraph.model_file import read_header

from .choices import shared_choices
from .config import Section
from .config_file import load_config
from .output import RunDirectory
from .run_page import RunRecord
from .seeds_page import write_seeds_page
from .settings import choose_device, settings
from .task import Task
from .tasks import DEFAULT_TASK, TASKS
from .yaml_file import read_yaml


def report_run(
    path: str | Path, output: str | Path | None = None, device: str = "auto", console: Console | None = None
) -> Path:
    """Write the page that `eqgraph train` writes at its end (report.html) again, from the directory of the run.

    The model predicts the structures or clouds that the config names. What is missing is named on the page, and the rest is shown:
    test sets that are not there are left out; without training and validation data, the tables are those that the training wrote.

    Args:
        path: directory of the run, or of several seeds, of which each gets a page of its own, too.
        output: of the HTML file; None: report.html in the directory.
        device: where to compute.
        console: where to print; standard output if None.

    Returns:
        Where the page is.

    Raises:
        FileNotFoundError: if there is no such directory, or no run in it.
        ValueError: if nothing can be shown: there is neither a model nor an epoch that is over, or config.yaml is damaged.
    """
    directory, console = RunDirectory(path), console or Console()
    if not directory.config.is_file():
        what = "no such directory" if not directory.path.exists() else "no config.yaml in it"
        raise FileNotFoundError(
            f"Expected the directory of a run of `eqgraph train`, came '{directory.path}': {what}. Give training.output of the run."
        )
    raw = read_yaml(directory.config)
    raw = raw if isinstance(raw, dict) else {}
    if (name := raw.get("task", DEFAULT_TASK)) not in list(TASKS):
        raise ValueError(
            f"Expected a task among {', '.join(TASKS)} in '{directory.config}', came {name!r}. Restore the file."
        )
    page = Path(output or directory.report)
    training = raw.get("training")
    seeds = training.get("seeds", 1) if isinstance(training, dict) else 1
    if isinstance(seeds, int) and seeds > 1:
        runs = [directory.of_seed(index) for index in range(seeds) if directory.of_seed(index).is_dir()]
        for run in runs:
            try:
                report_run(run, None, device, console)
            except (FileNotFoundError, ValueError) as error:  # a seed that has only begun
                if len(runs) == 1:
                    raise
                console.print(f"{run.name} has no page: {error}", soft_wrap=True, highlight=False, markup=False)
        write_seeds_page(page, directory)
    else:
        _write(page, directory, name, choose_device(device), console)
    console.print(f"Report: {page}", soft_wrap=True, highlight=False, markup=False)
    return page


def _write(page: Path, directory: RunDirectory, name: str, device: torch.device, console: Console) -> None:
    task, notices, history = TASKS[name], [], read_history(directory.history)
    has_model = directory.model.is_file()
    if not has_model and not history:
        raise ValueError(
            f"Expected a run with an epoch that is over, came '{directory.path}' with neither rows in metrics.csv nor model.eqg. Wait "
            "for the first epoch, or go on with the run: eqgraph train --resume."
        )
    if not directory.errors.is_file() and not directory.scores.is_file():
        notices.append(f"This run is not over: it still runs, or was interrupted. {len(history)} epochs are done.")
    config = _config(directory, notices)
    header, choices, found = {}, {}, None
    if not has_model:
        notices.append("There is no model.eqg yet, so nothing is predicted.")
    else:
        data = None
        if config is not None:
            with settings(config.training):
                data = _data(task, config, notices)
                found, data = _evaluated(task, config, data, directory.model, device, console, notices)
        else:
            found = task.evaluate(None, None, directory.model, device, console)
        header = found.header
        if data is not None:
            choices = task.choices(config, data, found.model) | shared_choices(config, data, {})
            _compare(data.hash, header, notices)
    for notice in notices:
        console.print(notice, soft_wrap=True, highlight=False, markup=False)
    text = directory.config.read_text(encoding="utf-8")
    task.write_page(page, RunRecord(directory.path.resolve(), name, history, text, header, choices, notices), found)


def _evaluated(
    task: Task, config: Any, data: Any, model: Path, device: torch.device, console: Console, notices: list[str]
) -> tuple[Any, Any]:
    """What the model predicts, and for which data; for none if they are not those of the model any more."""
    try:
        task.check_model(data, read_header(model))
        return task.evaluate(config, data, model, device, console), data
    except ValueError as error:
        notices.append(
            f"The data do not fit the model, so nothing is predicted; tables are those that the training wrote. {error}"
        )
        return task.evaluate(None, None, model, device, console), None


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv; none if it is not there.

    Raises:
        ValueError: if it holds something else than numbers.
    """
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        try:
            return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"Expected a table of numbers in '{path}', came: {error}. Restore or remove it.") from None


def _config(directory: RunDirectory, notices: list[str]) -> Section | None:
    """Of the run; None if this version does not read it."""
    try:
        return load_config(directory.config)
    except ValueError as error:
        notices.append(
            f"This version does not read config.yaml, so the data are not known and nothing is predicted. {error} Tables are "
            "those that the training wrote."
        )
        return None


def _data(task: Task, config: Any, notices: list[str]) -> LightningDataModule | None:
    """What the config names, without test sets that are not there; None if the rest cannot be read."""
    there = {name: path for name, path in config.data.test.items() if path.exists()}
    for name, path in config.data.test.items():
        if name not in there:
            notices.append(f"The test set {name} is left out: '{path}' is not there any more.")
    config = config.model_copy(update={"data": config.data.model_copy(update={"test": there})})
    try:
        return task.read(config)
    except (OSError, ValueError, ImportError) as error:
        notices.append(
            f"The data cannot be read, so nothing is predicted; tables are those that the training wrote. {error}"
        )
        return None


def _compare(found: str, header: dict[str, Any], notices: list[str]) -> None:
    trained = header.get("metadata", {}).get("data_hash")
    if trained is not None and trained != found:
        notices.append(
            f"The training and validation data have changed since the training: their hash was {trained[:12]} and is {found[:12]}. "
            "Errors on this page are those of the data as they are now, and some that are called valid may have been trained on."
        )
