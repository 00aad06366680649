"""Pictures of a training on point clouds: the learning curve, confusion matrices, accuracies of classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from eqgraph.report import COLORS, label, save_figure

from ..learning_curve import Curve, Panel, draw_learning_curve, learning_rate_panel, loss_panel
from .scores import ClassScores, PartScores

_FEW_CLASSES = 15
"""With more of them, numbers in a confusion matrix are small and without those that round to zero."""


def points_panels(rows: Sequence[dict[str, float]]) -> list[Panel]:
    """What a learning curve shows."""
    accuracies = [Curve("training", "train_accuracy", COLORS[1]), Curve("validation", "valid_accuracy", COLORS[0])]
    panels = [loss_panel(), Panel("accuracy", accuracies, logarithmic=False)]
    if "valid_instance_iou" in rows[0]:
        panels.append(Panel("mIoU of clouds", [Curve("validation", "valid_instance_iou", COLORS[0])], False))
    return [*panels, learning_rate_panel()]


def plot_points_learning_curve(path: str | Path, rows: Sequence[dict[str, float]]) -> None:
    """Losses, accuracies and learning rate over epochs.

    Args:
        path: of the PNG.
        rows: of `metrics.csv`, see `History`.
    """
    save_figure(draw_learning_curve(rows, points_panels(rows), None), path)


def plot_confusion(path: str | Path, scores: ClassScores, classes: Sequence[str], name: str) -> None:
    """Which part (%) of each class is taken for which: rows are classes and add up to 100.

    Args:
        path: of the PNG.
        scores: of a set of clouds.
        classes: their names.
        name: of the set, for the title.
    """
    number = len(classes)
    few = number <= _FEW_CLASSES
    support = scores.support
    percent = 100 * scores.confusion / np.maximum(support, 1)[:, None]
    classes = [label(name) for name in classes]
    labels = max(map(len, classes))
    cell = 0.62 if few else 0.3
    size = max(cell * number, 2.4)
    figure = Figure(figsize=(size + 0.09 * labels + 1.8, size + 0.09 * labels + 1.0), dpi=150, layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    font = 9 if few else 6
    for row, column in np.argwhere(percent >= (0 if few else 0.5)):
        value = percent[row, column]
        if support[row] and (value > 0 or few):
            shade = "white" if value > 60 else ("0.7" if value == 0 else "black")
            text = f"{value:.1f}" if few and 0 < value < 100 else f"{value:.0f}"
            axis.text(column, row, text, ha="center", va="center", color=shade, fontsize=font)
    ticks = {"fontsize": 10 if few else 7.5}
    axis.set_xticks(range(number), classes, rotation=90 if labels > 3 else 0, **ticks)
    axis.set_yticks(range(number), [f"{text} ({count})" for text, count in zip(classes, support, strict=True)], **ticks)
    axis.set_xticks(np.arange(number + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(number + 1) - 0.5, minor=True)
    axis.grid(which="minor", color="white", linewidth=0.8)
    axis.tick_params(which="minor", length=0)
    axis.set_xlabel("predicted class")
    axis.set_ylabel("class (number)")
    axis.set_title(
        f"{label(name)}: accuracy {100 * scores.accuracy:.2f} %, mean of classes {100 * scores.mean_class_accuracy:.2f} %"
    )
    figure.colorbar(image, ax=axis, label="part of the class (%)", shrink=0.6, pad=0.02)
    save_figure(figure, path)


def plot_per_class(path: str | Path, scores: dict[str, ClassScores], classes: Sequence[str]) -> None:
    """The accuracy of each class (for points its intersection over union) in each set.

    Args:
        path: of the PNG.
        scores: name of the set -> its scores.
        classes: their names.
    """
    iou = any(isinstance(sums, PartScores) for sums in scores.values())
    figure = Figure(figsize=(7, 0.24 * len(classes) + 0.2 * len(scores) + 1.4), dpi=150, layout="constrained")
    axis = figure.subplots()
    rows = np.arange(len(classes))
    markers = "osD^vP"
    for number, (name, sums) in enumerate(scores.items()):
        values = 100 * (sums.class_iou if iou else sums.class_accuracy)
        mean = sums.mean_iou if iou else sums.mean_class_accuracy
        style = {"color": COLORS[number % len(COLORS)], "marker": markers[number % len(markers)]}
        axis.plot(
            values, rows, linestyle="none", markersize=5, label=f"{label(name)} (mean {100 * mean:.2f} %)", **style
        )
    axis.set_yticks(rows, [label(text) for text in classes])
    axis.set_ylim(len(classes) - 0.5, -0.5)
    low, high = axis.get_xlim()
    axis.set_xlim(max(0, low), min(100.5, high) if high > 100 else high)
    axis.set_xlabel("intersection over union (%)" if iou else "accuracy (%)")
    axis.grid(True, color="0.9")
    axis.set_axisbelow(True)
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    save_figure(figure, path)
