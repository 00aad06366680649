"""Tables of scores for the terminal, for spreadsheets and for the report."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from eqgraph.replacing import replacing
from eqgraph.report import PlainTable

from .scores import ClassScores, PartScores

_FEW_CLASSES = 12
"""So wide may a confusion matrix be in a terminal."""


def score_table(scores: dict[str, ClassScores]) -> PlainTable:
    """Accuracies, a line per set of clouds.

    Args:
        scores: name of the set -> its scores.
    """
    first = next(iter(scores.values()))
    counted = "points" if isinstance(first, PartScores) else "clouds"
    header = ("set", *(name for name, _ in first.rows()), counted)
    rows = [
        (name, *(shown_number(value, quantity) for quantity, value in sums.rows()), str(sums.count))
        for name, sums in scores.items()
    ]
    return PlainTable("Accuracy", header, rows)


def class_table(scores: dict[str, ClassScores], classes: list[str]) -> PlainTable:
    """Accuracy of each class (for points its intersection over union), a column per set of clouds."""
    iou = any(isinstance(sums, PartScores) for sums in scores.values())
    title = "Intersection over union of classes (%)" if iou else "Accuracy of classes (%)"
    columns = {name: sums.class_iou if iou else sums.class_accuracy for name, sums in scores.items()}
    rows = [
        (
            label,
            *(
                f"{shown_number(100 * values[number], '%')} of {scores[name].support[number]}"
                for name, values in columns.items()
            ),
        )
        for number, label in enumerate(classes)
    ]
    return PlainTable(title, ("class", *columns), rows)


def confusion_table(scores: ClassScores, classes: list[str], name: str) -> PlainTable:
    """How many of the class of the row are taken for that of the column."""
    rows = [(label, *map(str, row)) for label, row in zip(classes, scores.confusion.tolist(), strict=True)]
    return PlainTable(f"Confusion matrix of {name} (rows: class, columns: predicted)", ("", *classes), rows)


def evaluation_tables(scores: ClassScores, classes: list[str], name: str) -> list[PlainTable]:
    """Accuracies and who is taken for whom: the confusion matrix or, where it would be too wide, its largest wrong entries."""
    few = len(classes) <= _FEW_CLASSES
    confusion = confusion_table if few else frequent_confusions
    return [score_table({name: scores}), class_table({name: scores}, classes), confusion(scores, classes, name)]


def frequent_confusions(scores: ClassScores, classes: list[str], name: str, number: int = 10) -> PlainTable:
    """The largest entries beside the diagonal of the confusion matrix."""
    wrong = scores.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:number]
    rows = [
        (classes[row], classes[column], f"{wrong[row, column]} of {scores.support[row]}")
        for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[row, column]
    ]
    return PlainTable(f"Most frequent confusions in {name}", ("class", "predicted", "number"), rows)


def write_scores(path: str | Path, scores: dict[str, ClassScores], classes: list[str]) -> None:
    """All numbers of these tables as CSV, with all their digits."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("set", "quantity", "class", "value", "count"))
        for name, sums in scores.items():
            writer.writerows((name, quantity, "all", value, sums.count) for quantity, value in sums.rows())
            for quantity, values in (("accuracy (%)", sums.class_accuracy), ("IoU (%)", sums.class_iou)):
                for label, value, count in zip(classes, values, sums.support, strict=True):
                    writer.writerow((name, quantity, label, 100 * value, count))


def shown_number(value: float, quantity: str) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.2f}" if "%" in quantity else f"{value:.4g}"
