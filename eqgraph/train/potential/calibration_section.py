"""Whether errors are as large as a model says that they are, for the page of its training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from eqgraph.report import (
    COLORS,
    Chart,
    PlainTable,
    Section,
    grid,
    log_axis,
    numbers,
    paragraph,
    points_to_draw,
    say_drawn,
)

_NUM_BINS = 10
_POINTS = 3000
_WITHIN = {1: math.erf(1 / math.sqrt(2)), 2: math.erf(math.sqrt(2))}
"""Number of standard deviations -> how many errors are within it, were they drawn from a normal distribution."""


class Uncertain(NamedTuple):
    """Numbers with uncertainties.

    Attributes:
        errors: (points,) predicted - true; NaN without label.
        uncertainties: (points,) standard deviations that the model says, in the same unit.
        names: (points,) what each is, for charts: names from data are escaped by `chart_text`.
    """

    errors: np.ndarray
    uncertainties: np.ndarray
    names: Sequence[str]


def calibration_section(quantities: dict[tuple[str, str], dict[str, Uncertain]]) -> Section | None:
    """Tables of how many errors are within the uncertainties, and charts of the ones over the others; None if there is nothing.

    Args:
        quantities: name and unit, as ("energy per atom", "meV/atom") -> name of the set -> its numbers.
    """
    parts = []
    for (quantity, unit), sets in quantities.items():
        known = {name: each for name, each in sets.items() if _known(each)[0].size}
        if not known:
            continue
        parts.append(calibration_table(known, f"{quantity.capitalize()} ({unit})").html())
        parts.append(grid([calibration_chart(each, unit, name).html() for name, each in known.items()]))
    text = "How large errors are where the model says how uncertain it is (σ)."
    return Section("Uncertainty", [paragraph(text), *parts]) if parts else None


def calibration_table(sets: dict[str, Uncertain], title: str) -> PlainTable:
    """How many errors are within one and two uncertainties, and whether large uncertainties go with large errors.

    Args:
        sets: name -> numbers; those that are not finite are left out.
        title: of the table.

    Example:
        >>> numbers = Uncertain(np.array([1.0, -3.0, 0.5, 0.1]), np.ones(4), ["a", "b", "c", "d"])
        >>> calibration_table({"valid": numbers}, "Energy").rows
        [('valid', '75.0', '75.0', '-', '1.6', '4')]
    """
    rows = []
    for name, each in sets.items():
        errors, uncertainties, _ = _known(each)
        within = [f"{100 * np.mean(errors <= k * uncertainties):.1f}" for k in _WITHIN]
        same = len(errors) < 3 or np.ptp(uncertainties) == 0 or np.ptp(errors) == 0
        rank = "-" if same else f"{spearmanr(errors, uncertainties).statistic:.2f}"
        spread = f"{_rms(errors / uncertainties):.3g}" if (uncertainties > 0).all() else "-"
        rows.append((name, *within, rank, spread, str(len(errors))))
    expected = [f"within {k} σ (%, normal: {100 * part:.1f})" for k, part in _WITHIN.items()]
    return PlainTable(title, ("set", *expected, "rank correlation", "rms of error/σ (ideal: 1)", "number"), rows)


def calibration_chart(each: Uncertain, unit: str, title: str) -> Chart:
    """Errors over uncertainties, both logarithmic: points, and the root mean square of the errors in bins of equal numbers of points.

    Args:
        each: the numbers of a set.
        unit: of both.
        title: plain text.
    """
    errors, uncertainties, names = _known(each)
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


def _known(each: Uncertain) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Absolute errors, uncertainties and names where both numbers are finite."""
    rows = np.flatnonzero(np.isfinite(each.errors) & np.isfinite(each.uncertainties))
    return np.abs(each.errors[rows]), each.uncertainties[rows], [each.names[row] for row in rows.tolist()]


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
