"""The clouds of which a model is wrong and most sure, for the page of its training."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np

from eqgraph.datasets import PointClouds
from eqgraph.report import Section, grid, paragraph
from eqgraph.report.plain_text import printable

from .cloud_drawing import draw_cloud
from .evaluate import PointsEvaluation

_DRAWN = 8
"""Clouds of a set."""


@dataclass(frozen=True)
class EvaluatedClouds:
    """Clouds, and what a model predicts for them.

    Attributes:
        name: of the set.
        clouds: in the order of the evaluation; where points have classes, with the points that were evaluated.
        evaluation: predictions.
    """

    name: str
    clouds: PointClouds
    evaluation: PointsEvaluation


def confused_clouds(sets: list[EvaluatedClouds]) -> Section:
    """Drawings of the wrong clouds of the highest probability, or of those with the most wrong points.

    Args:
        sets: clouds and predictions.
    """
    per_point = any(each.evaluation.num_points is not None for each in sets)
    text = "The clouds with the largest part of wrong points, which are orange."
    if not per_point:
        text = "Clouds of the wrong class, those first of which the model is most sure."
    parts = [paragraph(f"{text} From two sides, z upwards.")]
    for each in sets:
        tiles = _points(each) if per_point else _wholes(each)
        parts.append(f"<h3>{html.escape(each.name)}</h3>")
        parts.append(grid(tiles, "tiles") if tiles else paragraph("None is wrong."))
    return Section("Most confused shapes", parts)


def _wholes(each: EvaluatedClouds) -> list[str]:
    evaluation, classes = each.evaluation, each.evaluation.classes
    wrong = np.flatnonzero(evaluation.labels != evaluation.predicted)
    wrong = wrong[np.argsort(-evaluation.probability[wrong], kind="stable")][:_DRAWN]
    return [
        _tile(
            each.clouds.pos[_rows(each.clouds, index)].numpy(),
            None,
            each.evaluation.names[index],
            f"{classes[evaluation.labels[index]]} taken for {classes[evaluation.predicted[index]]} "
            f"({100 * evaluation.probability[index]:.0f} %)",
        )
        for index in wrong.tolist()
    ]


def _points(each: EvaluatedClouds) -> list[str]:
    evaluation = each.evaluation
    sizes = evaluation.num_points
    wrong = evaluation.labels != evaluation.predicted
    parts = np.add.reduceat(wrong, np.cumsum(sizes) - sizes) / sizes
    worst = np.argsort(-parts, kind="stable")[:_DRAWN]
    return [
        _tile(
            each.clouds.pos[_rows(each.clouds, index)].numpy(),
            wrong[_rows(each.clouds, index)],
            evaluation.names[index],
            f"{100 * parts[index]:.1f} % of {sizes[index]} points wrong",
        )
        for index in worst.tolist()
        if parts[index] > 0
    ]


def _rows(clouds: PointClouds, index: int) -> slice:
    return slice(int(clouds.ptr[index]), int(clouds.ptr[index + 1]))


def _tile(points: np.ndarray, wrong: np.ndarray | None, name: str, text: str) -> str:
    caption = f"{html.escape(printable(text))}<br>{html.escape(printable(name))}"
    return f"<figure class='drawing'>{draw_cloud(points, wrong)}<figcaption>{caption}</figcaption></figure>"
