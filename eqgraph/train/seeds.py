"""The same training with several seeds: how much of a result is chance."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from eqgraph.replacing import replacing
from eqgraph.report import plain

from .output import RunDirectory
from .seeds_page import write_seeds_page
from .start import Start, nothing
from .task import FitResult, Task

FitOne = Callable[[Any, Task, Console, Start], FitResult]


def fit_seeds(config: Any, task: Task, console: Console, start: Start, fit_one: FitOne) -> FitResult:
    """Train with seed, seed + 1, ... in sub-directories, then print and write means and standard deviations over seeds.

    A resumed run goes on where it stopped: seeds that are over are only evaluated again, those that had not begun begin.

    Args:
        config: with training.seeds above 1.
        task: what is trained.
        console: where to print.
        start: anew, or from where it stopped.
        fit_one: trains with one seed.

    Returns:
        The result of the first seed, with those of all in `seeds`.
    """
    output = RunDirectory(config.training.output)
    if not start.resume:
        output.check(config)
    runs = [_of_seed(config, index) for index in range(config.training.seeds)]
    results = []
    for index, run in enumerate(runs):
        console.rule(f"Seed {run.training.seed} ({index + 1} of {len(runs)})", align="left")
        # not before the first has found everything in order
        before = nothing if index else lambda: output.open(config, start.resume)
        resume = start.resume and RunDirectory(run.training.output).config.is_file()
        results.append(fit_one(run, task, console, replace(start, resume=resume, before=before)))
    found = [task.numbers(result.errors) for result in results]
    console.print(_table(task, found))
    _write(output.seeds, task, found)
    task.join_seeds(output, results, console)
    write_seeds_page(output.report, output)
    for what, path in (("Table", output.seeds), ("Report", output.report)):
        console.print(f"{what}: {path}", soft_wrap=True, highlight=False, markup=False)
    return FitResult(output.path, results[0].model, results[0].errors, results[0].history, results)


def mean_and_deviation(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation of a sample (n - 1).

    Example:
        >>> mean_and_deviation([1.0, 2.0, 3.0])
        (2.0, 1.0)
    """
    with np.errstate(invalid="ignore"):  # an error that is infinite has no deviation
        return float(np.mean(values)), float(np.std(values, ddof=1))


def _of_seed(config: Any, index: int) -> Any:
    training = config.training
    output = RunDirectory(training.output).of_seed(index)
    # one split for all: what no seed has seen tells how wrong their mean is
    changes = {
        "seed": training.seed + index,
        "split_seed": training.seed_of_split,
        "seeds": 1,
        "output": output,
    }
    return config.model_copy(update={"training": training.model_copy(update=changes)})


def _table(task: Task, found: list[dict[tuple[str, ...], float]]) -> Table:
    table = Table(title=f"Mean and standard deviation over {len(found)} seeds", title_justify="left")
    for name in task.number_names:
        table.add_column(name, no_wrap=True)
    table.add_column("mean", justify="right")
    table.add_column("deviation", justify="right")
    for names in found[0]:
        mean, deviation = mean_and_deviation([numbers[names] for numbers in found])
        table.add_row(*map(plain, names), f"{mean:.4g}", f"± {deviation:.2g}")
    return table


def _write(path: Path, task: Task, found: list[dict[tuple[str, ...], float]]) -> None:
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        writer.writerow((*task.number_names, "mean", "deviation", *(f"seed_{index}" for index in range(len(found)))))
        for names in found[0]:
            values = [numbers[names] for numbers in found]
            writer.writerow((*names, *mean_and_deviation(values), *values))
