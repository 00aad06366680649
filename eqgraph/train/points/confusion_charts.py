"""Which classes are taken for which, and how well each is known, as charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eqgraph.report import Chart, axis, chart_text

from ..set_colors import set_colors
from .scores import ClassScores, PartScores

_FEW_CLASSES = 15
"""With more of them there is no room for numbers: the pointer shows them."""


def confusion_chart(scores: ClassScores, classes: Sequence[str], name: str) -> Chart:
    """Which part (%) of each class is taken for which: rows are classes and add up to 100.

    Args:
        scores: of a set of clouds.
        classes: their names.
        name: of the set.
    """
    number, support = len(classes), scores.support
    percent = 100 * scores.confusion / np.maximum(support, 1)[:, None]
    names = [chart_text(name) for name in classes]
    hover = [
        [f"{names[row]} taken for {names[column]}:<br>{scores.confusion[row, column]} of {support[row]}" for column in range(number)]
        for row in range(number)
    ]  # fmt: skip
    few = number <= _FEW_CLASSES
    trace: dict[str, Any] = {
        "type": "heatmap",
        "z": np.round(percent, 2).tolist(),
        "text": hover,
        "hovertemplate": "%{text} (%{z:.1f} %)<extra></extra>",
        "zmin": 0,
        "zmax": 100,
        "colorscale": [[0, "#f7fbff"], [0.25, "#c6dbef"], [0.5, "#6baed6"], [0.75, "#2171b5"], [1, "#08306b"]],
        "colorbar": {"title": {"text": "% of the class", "side": "right"}, "thickness": 12, "outlinewidth": 0},
        "xgap": 1,
        "ygap": 1,
    }
    if few:
        trace["texttemplate"] = "%{z:.1f}"
    ticks = {
        "tickvals": list(range(number)),
        "tickfont": {"size": 12 if few else 9},
        "showgrid": False,
        "ticks": "",
    }
    labels = [chart_text(name, cut=True) for name in classes]
    rows = [f"{text} ({count})" for text, count in zip(labels, support.tolist(), strict=True)]
    layout = {
        "xaxis": axis("predicted class", ticktext=labels, **ticks),
        "yaxis": axis("class (number)", ticktext=rows, autorange="reversed", **ticks),
    }
    cell = 46 if few else 17
    return Chart([trace], layout, name, "", int(np.clip(cell * number, 200, 900)) + 150)


def class_chart(scores: dict[str, ClassScores], classes: Sequence[str]) -> Chart:
    """The accuracy of each class (for points its intersection over union) in each set; the worst classes on top.

    Args:
        scores: name of the set -> its scores.
        classes: their names.
    """
    iou = any(isinstance(sums, PartScores) for sums in scores.values())
    columns = {name: 100 * (sums.class_iou if iou else sums.class_accuracy) for name, sums in scores.items()}
    lowest = np.nan_to_num(np.stack(list(columns.values())), nan=np.inf).min(0)
    order = np.argsort(lowest, kind="stable").tolist()
    labels, colors = [chart_text(classes[row], cut=True) for row in order], set_colors(columns)
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": chart_text(name, cut=True),
            "x": [float(values[row]) if np.isfinite(values[row]) else None for row in order],
            "y": list(range(len(order))),
            "text": [f"{labels[place]} ({scores[name].support[row]})" for place, row in enumerate(order)],
            "marker": {
                "color": colors[name],
                "size": 10,
                "symbol": ("circle", "square", "diamond", "triangle-up")[index % 4],
            },
            "hovertemplate": "%{text}: %{x:.2f} %",
        }
        for index, (name, values) in enumerate(columns.items())
    ]
    title = "intersection over union (%)" if iou else "accuracy (%)"
    ticks = {"tickvals": list(range(len(order))), "ticktext": labels, "range": [len(order) - 0.5, -0.5]}
    layout = {"xaxis": axis(title, rangemode="normal"), "yaxis": axis("", **ticks), "showlegend": True}
    return Chart(data, layout, "", "The worst classes are on top.", 22 * len(order) + 130)
