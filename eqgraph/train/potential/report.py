"""Pictures of a potential's training: the learning curve and the parity of predictions and labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eqgraph.report import COLORS, GRAY, label, save_figure

from ..learning_curve import Curve, Panel, draw_learning_curve, learning_rate_panel, loss_panel
from .evaluate import Evaluation
from .metrics import ErrorSum


class Group(NamedTuple):
    """Points of one color in a parity plot."""

    name: str  # "" for all
    truth: np.ndarray
    predicted: np.ndarray
    sums: ErrorSum


def learning_panels(rows: Sequence[dict[str, float]]) -> list[Panel]:
    """What a learning curve shows: losses, validation errors of what has labels, learning rate."""
    return [
        loss_panel(),
        *(
            Panel(label, [Curve("validation", column, COLORS[0])])
            for label, column in (
                ("energy RMSE (meV/atom)", "valid_energy_rmse_meV_per_atom"),
                ("force RMSE (meV/Å)", "valid_forces_rmse_meV_per_A"),
                ("stress RMSE (meV/Å³)", "valid_stress_rmse_meV_per_A3"),
                ("virial RMSE (meV/atom)", "valid_virial_rmse_meV_per_atom"),
                ("dipole RMSE (me·Å)", "valid_dipole_rmse_me_A"),
            )
            if column in rows[0]
        ),
        learning_rate_panel(),
    ]


def best_epoch(rows: Sequence[dict[str, float]]) -> float | None:
    """That of the lowest validation loss; None if no loss is finite."""
    # losses of different stages are not to be compared: that of the last stage is kept
    last = [row for row in rows if row.get("loss_stage") == rows[-1].get("loss_stage")]
    best = min((row for row in last if np.isfinite(row["valid_loss"])), key=lambda row: row["valid_loss"], default=None)
    return best and best["epoch"]


def plot_learning_curve(path: str | Path, rows: Sequence[dict[str, float]]) -> None:
    """Losses, validation errors and learning rate over epochs, with the best epoch marked; logarithmic.

    Args:
        path: of the PNG.
        rows: of `metrics.csv`, see `History`.
    """
    save_figure(draw_learning_curve(rows, learning_panels(rows), best_epoch(rows)), path)


def plot_parity(path: str | Path, evaluation: Evaluation, name: str) -> None:
    """Predicted against true energies, forces, stresses and dipole moments (those that have labels) above, their differences below.

    Energies are per atom, less those of isolated atoms; forces are components, colored by element; stresses and
    dipole moments are components.

    Args:
        path: of the PNG.
        evaluation: predictions and labels.
        name: of the structures, for the title.

    Raises:
        ValueError: if there are no labels.
    """
    panels: list[tuple[str, str, list[Group], ErrorSum]] = []
    known = np.isfinite(evaluation.energy_labels)
    if known.any():
        truth, predicted = (
            (energy[known] - evaluation.isolated_energy[known]) / evaluation.num_atoms[known]
            for energy in (evaluation.energy_labels, evaluation.energy)
        )
        sums = evaluation.errors.energy_per_atom
        panels.append(("energy less isolated atoms", "eV/atom", [Group("", truth, predicted, sums)], sums))
    groups = []
    for number, sums in sorted(evaluation.errors.forces_by_element.items()):
        known = np.isfinite(evaluation.forces_labels) & (evaluation.numbers == number)[:, None]
        if known.any():
            truth, predicted = evaluation.forces_labels[known], evaluation.forces[known]
            groups.append(Group(chemical_symbols[number], truth, predicted, sums))
    if groups:
        panels.append(("force component", "eV/Å", groups, evaluation.errors.forces))
    tensors = (
        ("stress component", "eV/Å³", evaluation.stress, evaluation.stress_labels, evaluation.errors.stress),
        ("dipole component", "e·Å", evaluation.dipole, evaluation.dipole_labels, evaluation.errors.dipole),
    )
    for quantity, unit, values, labels, sums in tensors:
        known = np.isfinite(labels)
        if values is not None and known.any():
            panels.append((quantity, unit, [Group("", labels[known], values[known], sums)], sums))
    if not panels:
        raise ValueError(
            f"plot_parity: expected energy, force, stress or dipole labels, '{name}' has none. Plot another set."
        )

    figure = Figure(figsize=(5.2 * len(panels), 6.4), dpi=150, layout="constrained")
    axes = figure.subplots(2, len(panels), sharex="col", squeeze=False, height_ratios=(3, 1.2))
    for (above, below), (quantity, unit, groups, sums) in zip(axes.T, panels, strict=True):
        _parity_panel(above, below, quantity, unit, groups, sums)
    figure.suptitle(f"{label(name)}: {len(evaluation.num_atoms)} structures", x=0.01, ha="left")
    save_figure(figure, path)


def _parity_panel(above: Axes, below: Axes, quantity: str, unit: str, groups: list[Group], sums: ErrorSum) -> None:
    truth = np.concatenate([group.truth for group in groups])
    predicted = np.concatenate([group.predicted for group in groups])
    colors = np.concatenate([np.full(len(group.truth), COLORS[i % len(COLORS)]) for i, group in enumerate(groups)])
    finite = np.isfinite(predicted)
    # a random order, so that no element hides another
    order = np.random.default_rng(0).permutation(np.flatnonzero(finite))
    truth, predicted, colors = truth[order], predicted[order], colors[order]
    if not len(truth):
        above.set_title(f"{quantity}: no prediction is a finite number")
        return
    few = len(truth) < 500
    style = {
        "c": colors,
        "s": 14 if few else 5,
        "alpha": 0.8 if few else 0.5,
        "linewidths": 0,
        "rasterized": True,
        "zorder": 2,
    }

    low, high = min(truth.min(), predicted.min()), max(truth.max(), predicted.max())
    margin = 0.04 * (high - low) or 0.01
    low, high = low - margin, high + margin
    above.plot((low, high), (low, high), color=GRAY, linewidth=1, zorder=1)
    above.scatter(truth, predicted, **style)
    above.set(xlim=(low, high), ylim=(low, high), ylabel=f"predicted ({unit})", title=quantity)
    residual = 1000 * (predicted - truth)
    limit = 1.1 * np.abs(residual).max() or 1.0
    below.axhline(0, color=GRAY, linewidth=1, zorder=1)
    below.scatter(truth, residual, **style)
    below.set(xlabel=f"true ({unit})", ylabel=f"predicted − true\n(m{unit})", ylim=(-limit, limit))
    for axis in (above, below):
        axis.grid(True, color="0.92")
        axis.set_axisbelow(True)
        axis.ticklabel_format(useOffset=False)
        axis.locator_params(axis="x", nbins=6)
    for index, group in enumerate(groups):
        name = f"{group.name}: " if group.name else ""
        text = f"{name}{_errors(group.sums, unit)}"
        above.plot([], [], "o", color=COLORS[index % len(COLORS)], markersize=5, label=text)
    title = _errors(sums, unit) if len(groups) > 1 else None
    above.legend(
        title=title, frameon=False, loc="upper left", fontsize="small", title_fontsize="small", alignment="left"
    )


def _errors(sums: ErrorSum, unit: str) -> str:
    return f"RMSE {1000 * sums.rmse:.3g}, MAE {1000 * sums.mae:.3g} m{unit}"
