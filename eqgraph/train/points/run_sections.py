"""What the page of a training on point clouds shows."""

from __future__ import annotations

import csv
from pathlib import Path

from eqgraph.report import PlainTable, Section, grid, paragraph

from .confused_clouds import EvaluatedClouds, confused_clouds
from .confusion_charts import class_chart, confusion_chart
from .tables import class_table, frequent_confusions, score_table, shown_number


def result_sections(sets: list[EvaluatedClouds], classes: list[str]) -> list[Section]:
    """What one looks at first: accuracies and confusions.

    Args:
        sets: clouds and predictions.
        classes: their names.
    """
    scores = {each.name: each.evaluation.scores for each in sets}
    confusions = [confusion_chart(sums, classes, name).html() for name, sums in scores.items()]
    frequent = [f"<div>{frequent_confusions(sums, classes, name).html()}</div>" for name, sums in scores.items()]
    few = len(classes) <= 8
    return [
        Section("Accuracy", [score_table(scores)._replace(title="").html()]),
        Section("Confusion matrix", [*([grid(confusions)] if few else confusions), grid(frequent)]),
    ]


def detail_sections(sets: list[EvaluatedClouds], classes: list[str]) -> list[Section]:
    """What explains them: classes and clouds, one by one."""
    scores = {each.name: each.evaluation.scores for each in sets}
    return [
        Section("Classes", [class_chart(scores, classes).html(), class_table(scores, classes).html()]),
        confused_clouds(sets),
    ]


def stored_sections(path: Path) -> list[Section]:
    """Where nothing can be evaluated: what scores.csv says."""
    if not path.is_file():
        return [Section("Accuracy", [paragraph("There are no scores yet.")])]
    with path.open(newline="", encoding="utf-8") as file:
        rows = [
            (
                row["set"],
                row["quantity"],
                row["class"],
                shown_number(float(row["value"]), row["quantity"]),
                row["count"],
            )
            for row in csv.DictReader(file)
        ]
    return [Section("Accuracy", [PlainTable("", ("set", "quantity", "class", "value", "number"), rows).html()])]
