"""The quick part of `eqgraph check`, before a training."""

from __future__ import annotations

from eqgraph.check import CheckReport, check_frames
from eqgraph.datasets import Frame, GraphDataset, JoinedGraphs, LazyDataset

from .config import Config
from .data import PotentialData

_ON_DISK = 500
"""Structures that are looked at where they are not in memory."""


def check_data(config: Config, data: PotentialData) -> CheckReport:
    """Refuse labels that a training makes no sense with.

    Args:
        config: of the training.
        data: what it reads.

    Raises:
        ValueError: a line for each error that the check finds.
    """
    sets = {"data.train": [*_frames(data.train), *_frames(data.valid)]}
    sets |= {f"data.test.{name}": _frames(dataset) for name, dataset in data.test.items()}
    keys = {name: getattr(config.data, f"{name}_key") for name in ("energy", "forces", "stress")}
    report = check_frames(sets, keys)
    # what is not in the loss does no harm
    unused = (
        {"stress against energies", "order of stress components"}
        if not {"stress", "virial"} & set(config.loss.used)
        else set()
    )
    if errors := [finding for finding in report.of("error") if finding.check not in unused]:
        lines = [f"{finding.where}: {finding.check}: {finding.message}" for finding in errors]
        lines.append("`eqgraph check` shows more; training.check=false trains nevertheless.")
        raise ValueError("\n".join(lines))
    return report


def describe_check(report: CheckReport | None) -> str:
    """For the list of choices: warnings, a line each."""
    if report is None:
        return "off (training.check=false)"
    problems = [*report.of("error"), *report.of("warning")]
    if not problems:
        return "no warnings"
    return "\n".join(f"{finding.severity}: {finding.where}: {finding.message}" for finding in problems)


def _frames(dataset: GraphDataset) -> list[Frame]:
    """Those in memory; of a data set on disk the first, which are neighbors in time where there are any."""
    if isinstance(dataset, JoinedGraphs):
        return [frame for part in dataset.parts for frame in _frames(part)]
    if isinstance(dataset, LazyDataset):
        return [dataset.source.frame(int(row)) for row in dataset.rows[:_ON_DISK]]
    return dataset.frames
