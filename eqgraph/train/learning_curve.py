"""The picture of a training's history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eqgraph.report import COLORS, GRAY, log_scale


class Curve(NamedTuple):
    """One line."""

    name: str
    column: str  # of metrics.csv
    color: str


class Panel(NamedTuple):
    """Lines that share an axis."""

    label: str  # with its unit
    curves: list[Curve]
    logarithmic: bool = True


def loss_panel() -> Panel:
    return Panel("loss", [Curve("training", "train_loss", COLORS[1]), Curve("validation", "valid_loss", COLORS[0])])


def learning_rate_panel() -> Panel:
    return Panel("learning rate", [Curve("learning rate", "learning_rate", GRAY)])


def draw_learning_curve(rows: Sequence[dict[str, float]], panels: list[Panel], best: float | None) -> Figure:
    """Panels over epochs; curves and panels without a number are left out.

    Args:
        rows: of `metrics.csv`, see `History`.
        panels: from top to bottom.
        best: epoch to mark.
    """
    column = {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0]}
    epoch = column["epoch"]
    shown = []
    for panel in panels:
        curves = [curve for curve in panel.curves if np.isfinite(column[curve.column]).any()]
        if curves:
            shown.append(panel._replace(curves=curves))

    figure = Figure(figsize=(7, 2.0 * len(shown) + 0.6), dpi=150, layout="constrained")
    axes = figure.subplots(len(shown), sharex=True, squeeze=False)[:, 0]
    marker = "o" if len(rows) < 40 else None
    for axis, panel in zip(axes, shown, strict=True):
        for curve in panel.curves:
            values = column[curve.column]
            axis.plot(epoch, values, color=curve.color, label=curve.name, marker=marker, markersize=3, linewidth=1.4)
        if panel.logarithmic:
            log_scale(axis, np.concatenate([column[curve.column] for curve in panel.curves]))
        axis.set_ylabel(panel.label)
        axis.grid(True, which="major", color="0.9")
        axis.set_axisbelow(True)
        if best is not None:
            axis.axvline(best, color=COLORS[2], linestyle="--", linewidth=1.2, label=f"best epoch ({best:.0f})")
    axes[0].legend(ncols=3, loc="upper right", framealpha=0.9, edgecolor="none")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[-1].set_xlabel("epoch")
    axes[0].set_title(f"Learning curve · {column['seconds'][-1]:.0f} s of training", loc="left")
    return figure
