"""The page of a run: what all kinds of training have in common stands around what the task shows."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from eqgraph.report import Section, named_texts, paragraph, write_page
from eqgraph.report.plain_text import printable

from .learning_charts import learning_chart
from .learning_curve import Panel
from .model_card import model_card
from .timing import timing_chart, timing_rows


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run, whether it is over or not.

    Attributes:
        path: of its directory.
        task: what was trained.
        history: rows of metrics.csv.
        config: text of config.yaml.
        header: of the model file; empty if there is none.
        choices: what was printed at the start, as far as it is known.
        notices: sentences on what is missing or has changed, for the top of the page.
    """

    path: Path
    task: str
    history: list[dict[str, float]]
    config: str
    header: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Of its page."""
        return f"{self.task.capitalize()}: {printable(self.path.name)}"

    @property
    def summary(self) -> str:
        """The first line of the page."""
        metadata = self.header.get("metadata", {})
        epoch, data = metadata.get("validation", {}).get("epoch"), metadata.get("data_hash")
        last = self.history[-1] if self.history else None
        return " · ".join(
            [
                *([str(self.header["architecture"])] if "architecture" in self.header else []),
                *([f"{last['epoch']:.0f} epochs in {timedelta(seconds=round(last['seconds']))}"] if last else []),
                *([f"model of epoch {epoch}"] if epoch else []),
                *([f"eqgraph {self.header['eqgraph_version']}"] if "eqgraph_version" in self.header else []),
                *([f"data {data[:12]}"] if data else []),
            ]
        )


def write_run_page(
    path: str | Path,
    record: RunRecord,
    results: Sequence[Section],
    panels: Sequence[Panel],
    best: float | None,
    details: Sequence[Section] = (),
) -> None:
    """Write the page of a run.

    Args:
        path: of the HTML file.
        record: what is known of the run.
        results: sections of the task above the learning curves: what one looks at first.
        panels: of the learning curves.
        best: epoch to mark.
        details: sections of the task below them.
    """
    history = record.history
    learning = [learning_chart(history, panels, best).html()] if history else [paragraph("No epoch is over yet.")]
    sections = [*results, Section("Learning curves", learning), *details]
    if history:
        chart = [timing_chart(history).html()] if len(history) > 2 else []
        sections.append(Section("Timing", [named_texts(timing_rows(history)), *chart]))
    if record.choices:
        sections.append(Section("Training", [named_texts(record.choices)]))
    if record.header:
        sections.append(Section("Model", [named_texts(model_card(record.header))]))
    sections.append(Section("Configuration", [_preformatted(record.config)]))
    parts = [paragraph(record.summary), *(paragraph(notice, "notice") for notice in record.notices)]
    write_page(path, record.title, parts, sections)


def _preformatted(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"
