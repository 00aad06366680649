"""Predictions against labels as charts that name the structure of every point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from ase.data import chemical_symbols

from eqgraph.report import COLORS, Chart, axis, chart_text, numbers, points_to_draw, say_drawn

from .frame_errors import EvaluatedSet

_TOGETHER = 16_000
"""Points in all charts of a quantity together; more make the page slow."""
_LARGEST = 4000
"""Points in one chart."""
_TENSOR = ("xx", "xy", "xz", "yx", "yy", "yz", "zx", "zy", "zz")


class _Points(NamedTuple):
    """What one chart draws."""

    quantity: str
    unit: str
    what: str  # of which there are many: "structures", "components"
    truth: np.ndarray
    predicted: np.ndarray
    group: np.ndarray  # (points,) number of the color
    groups: list[str]  # names of the colors; one empty name for a single color
    name: Callable[[int], str]  # of a point


def parity_charts(each: EvaluatedSet, num_sets: int) -> list[Chart]:
    """Energies per atom less isolated atoms, components of forces (colored by element), stresses and dipole moments: those with labels.

    Args:
        each: structures and predictions.
        num_sets: how many such sets share the page.
    """
    limit = max(min(_LARGEST, _TOGETHER // num_sets), 200)
    found = [(_energies(each), min(_LARGEST // 2, limit)), (_forces(each), limit)]
    evaluation = each.evaluation
    if evaluation.stress is not None:
        found.append((_tensor(each, "stress", "eV/Å³", evaluation.stress, evaluation.stress_labels), limit))
    if evaluation.dipole is not None:
        found.append((_tensor(each, "dipole moment", "e·Å", evaluation.dipole, evaluation.dipole_labels), limit))
    return [_chart(points, most) for points, most in found if len(points.truth)]


def _energies(each: EvaluatedSet) -> _Points:
    evaluation = each.evaluation
    truth, predicted = (
        (energy - evaluation.isolated_energy) / evaluation.num_atoms
        for energy in (evaluation.energy_labels, evaluation.energy)
    )
    rows = np.flatnonzero(np.isfinite(truth) & np.isfinite(predicted))

    def name(point: int) -> str:
        return _frame(each, int(rows[point]))

    zeros = np.zeros(len(rows), int)
    return _Points(
        "Energy less isolated atoms", "eV/atom", "structures", truth[rows], predicted[rows], zeros, [""], name
    )


def _forces(each: EvaluatedSet) -> _Points:
    evaluation = each.evaluation
    atoms, axes = np.nonzero(np.isfinite(evaluation.forces_labels) & np.isfinite(evaluation.forces))
    species, group = np.unique(evaluation.numbers[atoms], return_inverse=True)

    def name(point: int) -> str:
        atom = atoms[point]
        frame = int(np.searchsorted(each.starts, atom, side="right")) - 1
        symbol = chemical_symbols[evaluation.numbers[atom]]
        return f"{_frame(each, frame)}<br>atom {atom - each.starts[frame]} ({symbol}), {'xyz'[axes[point]]}"

    truth, predicted = evaluation.forces_labels[atoms, axes], evaluation.forces[atoms, axes]
    groups = [chemical_symbols[number] for number in species]
    return _Points("Force components", "eV/Å", "components", truth, predicted, group, groups, name)


def _tensor(each: EvaluatedSet, quantity: str, unit: str, values: np.ndarray, labels: np.ndarray) -> _Points:
    values, labels = values.reshape(len(values), -1), labels.reshape(len(labels), -1)
    rows, columns = np.nonzero(np.isfinite(labels) & np.isfinite(values))
    names = _TENSOR if labels.shape[1] == 9 else "xyz"

    def name(point: int) -> str:
        return f"{_frame(each, int(rows[point]))}<br>{names[columns[point]]}"

    truth, predicted, zeros = labels[rows, columns], values[rows, columns], np.zeros(len(rows), int)
    return _Points(f"Components of the {quantity}", unit, "components", truth, predicted, zeros, [""], name)


def _frame(each: EvaluatedSet, index: int) -> str:
    kind = each.config_types[index]
    return chart_text(each.places[index]) + (f"<br>{chart_text(kind)}" if kind else "")


def _chart(points: _Points, limit: int) -> Chart:
    shown = points_to_draw(points.predicted - points.truth, limit)
    truth, residual = points.truth[shown], 1000 * (points.predicted - points.truth)[shown]
    names = [points.name(point) for point in shown.tolist()]
    low = min(points.truth.min(), points.predicted.min())
    high = max(points.truth.max(), points.predicted.max())
    margin = 0.04 * (high - low) or 0.01
    span = [float(low - margin), float(high + margin)]
    size = 7 if len(shown) < 500 else 4
    data: list[dict[str, Any]] = []
    for number, group in enumerate(points.groups):
        inside = points.group[shown] == number
        texts = [name for name, is_in in zip(names, inside, strict=True) if is_in]
        for values, on, hover, text in (
            (points.predicted[shown][inside], "y", f"predicted %{{y:.4f}} {points.unit}", texts),
            (residual[inside], "y2", f"predicted − true %{{y:.3g}} m{points.unit}", {"of": len(data)}),
        ):
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": numbers(truth[inside]),
                    "y": numbers(values),
                    "text": text,
                    "yaxis": on,
                    "name": group,
                    "legendgroup": group,
                    "showlegend": bool(group) and on == "y",
                    "marker": {
                        "color": COLORS[number % len(COLORS)],
                        "size": size,
                        "opacity": 0.7 if size == 7 else 0.5,
                    },
                    "hovertemplate": f"%{{text}}<br>true %{{x:.4f}} {points.unit}<br>{hover}<extra></extra>",
                }
            )
    line = {"type": "line", "layer": "below", "line": {"color": "#888", "width": 1}}
    layout = {
        "xaxis": axis(f"true ({points.unit})", range=span, anchor="y2"),
        "yaxis": axis(f"predicted ({points.unit})", range=span, domain=[0.34, 1]),
        "yaxis2": axis(f"error (m{points.unit})", domain=[0, 0.26]),
        "shapes": [
            line | {"x0": span[0], "y0": span[0], "x1": span[1], "y1": span[1]},
            line | {"x0": span[0], "y0": 0, "x1": span[1], "y1": 0, "yref": "y2"},
        ],
    }
    caption = say_drawn(len(shown), len(points.truth), points.what)
    return Chart(data, layout, points.quantity, caption, 500)
