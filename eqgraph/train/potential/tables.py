"""Tables of errors for the terminal and for spreadsheets."""

from __future__ import annotations

import csv
from pathlib import Path

from rich.table import Table

from eqgraph.replacing import replacing
from eqgraph.report import plain
from eqgraph.uncertainty import Calibration

from .metrics import ErrorRow, PotentialErrors


def error_table(errors: dict[str, PotentialErrors]) -> Table:
    """Mean absolute and root mean squared errors, a block of lines per set of structures.

    Args:
        errors: name of the set -> its errors.
    """
    table = Table(title="Errors", title_justify="left")
    for name in ("structures", "quantity", "element"):
        table.add_column(name, no_wrap=True)
    for name in ("MAE", "RMSE"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("labels", justify="right", no_wrap=True)
    for name, sums in errors.items():
        for index, row in enumerate(sums.rows()):
            table.add_row(
                plain(name if index == 0 else ""),
                row.quantity.removesuffix(" per atom"),  # the unit says so
                row.element,
                three_digits(row.mae),
                three_digits(row.rmse),
                row.unit,
                str(row.count),
            )
        table.add_section()
    return table


def calibration_table(calibrations: dict[str, list[Calibration]]) -> Table:
    """Predicted standard deviations against errors, one line per set of structures and quantity.

    Args:
        calibrations: name of a set of structures -> what Evaluation.calibrations found.
    """
    table = Table(title="Predicted uncertainty", title_justify="left")
    table.add_column("structures", no_wrap=True)
    table.add_column("quantity", no_wrap=True)
    for name in ("RMSE", "predicted"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for name in ("log-likelihood", "rank correlation", "within 1 σ", "labels"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, rows in calibrations.items():
        for index, row in enumerate(rows):
            table.add_row(
                plain(name if index == 0 else ""),
                row.quantity.removesuffix(" per atom"),  # the unit says so
                three_digits(row.rmse),
                three_digits(row.predicted),
                row.unit,
                f"{row.log_likelihood:.2f}",
                f"{row.rank_correlation:.2f}",
                f"{100 * row.within:.0f} %",
                str(row.count),
            )
        table.add_section()
    return table


def write_errors(path: str | Path, errors: dict[str, PotentialErrors]) -> None:
    """The numbers of `error_table` as CSV, with all their digits."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("structures", *ErrorRow._fields))
        for name, sums in errors.items():
            writer.writerows((name, *row) for row in sums.rows())


def three_digits(value: float) -> str:
    """At least three significant digits, never fewer digits than the integer part has."""
    if value != 0 and abs(value) < 0.1:
        return f"{value:.3g}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
