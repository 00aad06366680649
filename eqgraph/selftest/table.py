"""Results as colored tables."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from eqgraph.report import plain

from .measurement import Measurement
from .report import SelftestReport, StructureResults
from .result import SelftestResult

COLORS = {"fail": "bold red", "pass": "green", "not applicable": "cyan"}


def selftest_tables(report: SelftestReport) -> Iterator[Table]:
    """For the terminal, one per structure; of a test that failed all that failed is listed, of others what was nearest to it."""
    for structure in report.structures:
        title = plain(f"{report.model} in {report.dtype} on {structure.name} ({structure.formula})")
        table = Table(title=title, title_justify="left")
        for name in ("test", "measured", "tolerance", "verdict", "note"):
            table.add_column(name, overflow="fold", justify="right" if name in ("measured", "tolerance") else "left")
        for result in structure.results:
            _add(table, result)
        table.caption = _made(structure)
        table.caption_justify = "left"
        yield table


def _made(structure: StructureResults) -> str | None:
    if not structure.made:
        return None
    return "No structure was given: this one was made of the model's species. Give one that the model is for."


def _add(table: Table, result: SelftestResult) -> None:
    shown = [measurement for measurement in result.measurements if not measurement.passed]
    shown = shown or ([result.worst] if result.worst else [])
    verdict = Text(result.verdict, COLORS[result.verdict])
    if not shown:
        table.add_row(plain(result.test), "", "", verdict, plain(result.note))
    for index, measurement in enumerate(_worst_of_each(shown)):
        first = (plain(result.test), verdict, plain(result.note)) if index == 0 else ("", "", "")
        table.add_row(first[0], *_texts(measurement), first[1], first[2])


def _worst_of_each(measurements: list[Measurement]) -> list[Measurement]:
    """One of each quantity: several rotations are one line."""
    quantities = dict.fromkeys(measurement.quantity for measurement in measurements)
    return [max((m for m in measurements if m.quantity == name), key=lambda m: m.severity) for name in quantities]


def _texts(measurement: Measurement) -> tuple[str, str]:
    sign = "≥" if measurement.at_least else "≤"
    measured = f"{measurement.quantity} {_number(measurement.value, 1)} {measurement.unit}"
    return measured, f"{sign} {_number(measurement.tolerance, 0)}"


def _number(value: float, digits: int) -> str:
    return "0" if value == 0 else f"{value:.{digits}e}"
