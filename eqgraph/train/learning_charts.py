"""The history of a training as a chart for its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eqgraph.report import COLORS, Chart, axis, epoch_axis, log_axis, numbers

from .learning_curve import Panel

_HEIGHT = 165
"""Of a panel, in pixels."""


def learning_chart(rows: Sequence[dict[str, float]], panels: Sequence[Panel], best: float | None) -> Chart:
    """Panels over epochs, one above the other; curves and panels without a number are left out.

    Args:
        rows: of `metrics.csv`, see `History`.
        panels: from top to bottom.
        best: epoch to mark.
    """
    column = {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0]}
    shown = [
        panel._replace(curves=curves)
        for panel in panels
        if (curves := [c for c in panel.curves if c.column in column and np.isfinite(column[c.column]).any()])
    ]
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"hovermode": "x unified", "showlegend": True}
    step, named = 1 / max(len(shown), 1), set()
    for index, panel in enumerate(shown):
        number = "" if index == 0 else str(index + 1)
        values = np.concatenate([column[curve.column] for curve in panel.curves])
        make = log_axis if panel.logarithmic else _linear_axis
        top = 1 - index * step
        title = panel.label.replace(" (", "<br>(")
        layout[f"yaxis{number}"] = make(title, values, domain=[top - 0.86 * step, top])
        for curve in panel.curves:
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers" if len(rows) < 40 else "lines",
                    "name": curve.name,
                    "legendgroup": curve.name,
                    "showlegend": curve.name not in named,
                    "x": numbers(column["epoch"]),
                    "y": numbers(column[curve.column]),
                    "yaxis": f"y{number}",
                    "line": {"color": _css(curve.color), "width": 1.6},
                    "marker": {"size": 5},
                    "hovertemplate": "%{y:.4g}",
                }
            )
            named.add(curve.name)
    last = "y" if len(shown) < 2 else f"y{len(shown)}"
    layout["xaxis"] = epoch_axis(len(rows), anchor=last)
    caption = f"{len(rows)} epoch{'s' * (len(rows) > 1)} in {column['seconds'][-1]:.0f} s."
    if best is not None:
        layout["shapes"] = [
            {"type": "line", "x0": best, "x1": best, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": COLORS[2], "dash": "dash"}}
        ]  # fmt: skip
        caption += f" Dashed: the best epoch in validation ({best:.0f})."
    return Chart(data, layout, "", caption, _HEIGHT * len(shown) + 80)


def _linear_axis(title: str, values: np.ndarray, **options: Any) -> dict[str, Any]:
    return axis(title, **options)


def _css(color: str) -> str:
    """Matplotlib writes a gray as "0.45"."""
    return color if color.startswith("#") else f"rgb({', '.join([str(round(255 * float(color)))] * 3)})"
