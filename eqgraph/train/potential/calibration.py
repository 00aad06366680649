"""Whether errors are as large as a model says that they are, for the page of its training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from eqgraph.report import COLORS, Chart, PlainTable, log_axis, numbers, points_to_draw, say_drawn

_NUM_BINS = 10
_POINTS = 3000
_WITHIN = {1: math.erf(1 / math.sqrt(2)), 2: math.erf(math.sqrt(2))}
"""Number of standard deviations -> how many errors are within it, were they drawn from a normal distribution."""


def calibration_table(sets: dict[str, tuple[np.ndarray, np.ndarray]], title: str) -> PlainTable:
    """How many errors are within one and two uncertainties, and whether large uncertainties go with large errors.

    Args:
        sets: name -> errors and uncertainties of one unit and shape; entries that are not finite in either are left out.
        title: of the table.

    Example:
        >>> errors = np.array([1.0, -3.0, 0.5, 0.1])
        >>> calibration_table({"valid": (errors, np.ones(4))}, "Energy").rows
        [('valid', '75.0', '75.0', '-', '2.59', '4')]
    """
    rows = []
    for name, (errors, uncertainties) in sets.items():
        errors, uncertainties = _known(errors, uncertainties)
        if not len(errors):
            continue
        within = [f"{100 * np.mean(errors <= k * uncertainties):.1f}" for k in _WITHIN]
        same = len(errors) < 3 or np.ptp(uncertainties) == 0 or np.ptp(errors) == 0
        rank = "-" if same else f"{spearmanr(errors, uncertainties).statistic:.2f}"
        spread = f"{np.sqrt(np.mean((errors / uncertainties) ** 2) if (uncertainties > 0).all() else np.inf):.3g}"
        rows.append((name, *within, rank, spread, str(len(errors))))
    expected = [f"within {k} σ (%, normal: {100 * part:.1f})" for k, part in _WITHIN.items()]
    return PlainTable(title, ("set", *expected, "rank correlation", "rms of error/σ (ideal: 1)", "number"), rows)


def calibration_chart(errors: np.ndarray, uncertainties: np.ndarray, names: list[str], unit: str, title: str) -> Chart:
    """Errors over uncertainties, both logarithmic: points, and the root mean square of the errors in bins of equal numbers of points.

    Args:
        errors: (points,) predicted - true.
        uncertainties: (points,) standard deviations that the model says, in the same unit.
        names: (points,) what each point is; may hold marks of plotly's, so names from data are escaped by `chart_text`.
        unit: of both.
        title: plain text.
    """
    known = np.isfinite(errors) & np.isfinite(uncertainties)
    names = [name for name, is_known in zip(names, known, strict=True) if is_known]
    errors, uncertainties = _known(errors, uncertainties)
    shown = points_to_draw(errors, _POINTS)
    bins = [part for part in np.array_split(np.argsort(uncertainties, kind="stable"), _NUM_BINS) if len(part)]
    mean, found = (np.array([_rms(values[part]) for part in bins]) for values in (uncertainties, errors))
    positive = uncertainties[uncertainties > 0]
    span = np.array([positive.min(), positive.max()]) if len(positive) else np.array([1.0, 1.0])
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "each",
            "x": numbers(uncertainties[shown]),
            "y": numbers(errors[shown]),
            "text": [names[point] for point in shown.tolist()],
            "marker": {"color": COLORS[0], "size": 4, "opacity": 0.4},
            "hovertemplate": f"%{{text}}<br>error %{{y:.3g}} {unit}<br>uncertainty %{{x:.3g}} {unit}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "root mean square in bins",
            "x": numbers(mean),
            "y": numbers(found),
            "line": {"color": COLORS[1], "width": 2},
            "marker": {"size": 8},
            "hovertemplate": f"error %{{y:.3g}} {unit}<br>uncertainty %{{x:.3g}} {unit}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "error = uncertainty",
            "x": numbers(span),
            "y": numbers(span),
            "line": {"color": "#888", "width": 1.2, "dash": "dash"},
            "hoverinfo": "skip",
        },
    ]
    layout = {
        "xaxis": log_axis(f"uncertainty ({unit})", uncertainties),
        "yaxis": log_axis(f"absolute error ({unit})", np.maximum(errors, np.median(errors) / 100)),
    }
    return Chart(data, layout, title, say_drawn(len(shown), len(errors), "points"), 420)


def _known(errors: np.ndarray, uncertainties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Absolute errors and uncertainties where both are finite, in one dimension."""
    known = np.isfinite(errors) & np.isfinite(uncertainties)
    return np.abs(errors[known]), uncertainties[known]


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
