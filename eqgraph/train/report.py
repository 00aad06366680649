"""Pictures of a training: the learning curve and the parity of predictions and labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from .evaluate import Evaluation
from .metrics import ErrorSum
from .replacing import replacing

# Okabe and Ito: told apart with every kind of color vision
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
GRAY = "0.45"


def plot_learning_curve(path: str | Path, rows: Sequence[dict[str, float]]) -> None:
    """Losses, validation errors and learning rate over epochs, with the best epoch marked; logarithmic.

    Args:
        path: of the PNG.
        rows: of `metrics.csv`, see `History`.
    """
    column = {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0]}
    epoch = column["epoch"]
    best = epoch[np.nanargmin(column["valid_loss"])] if np.isfinite(column["valid_loss"]).any() else None
    panels: list[tuple[str, list[tuple[str, np.ndarray, str]]]] = [
        ("loss", [("training", column["train_loss"], COLORS[1]), ("validation", column["valid_loss"], COLORS[0])])
    ]
    for label, name in (
        ("energy RMSE (meV/atom)", "valid_energy_rmse_meV_per_atom"),
        ("force RMSE (meV/Å)", "valid_forces_rmse_meV_per_A"),
    ):
        if np.isfinite(column[name]).any():
            panels.append((label, [("validation", column[name], COLORS[0])]))
    panels.append(("learning rate", [("learning rate", column["learning_rate"], GRAY)]))

    figure = Figure(figsize=(7, 2.0 * len(panels) + 0.6), dpi=150, layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    marker = "o" if len(rows) < 40 else None
    for axis, (label, curves) in zip(axes, panels, strict=True):
        for name, values, color in curves:
            axis.plot(epoch, values, color=color, label=name, marker=marker, markersize=3, linewidth=1.4)
        _log_scale(axis, np.concatenate([values for _, values, _ in curves]))
        axis.set_ylabel(label)
        axis.grid(True, which="major", color="0.9")
        axis.set_axisbelow(True)
        if best is not None:
            axis.axvline(best, color=COLORS[2], linestyle="--", linewidth=1.2, label=f"best epoch ({best:.0f})")
    axes[0].legend(frameon=False, ncols=3, loc="upper right")
    axes[-1].set_xlabel("epoch")
    axes[0].set_title(f"Learning curve · {column['seconds'][-1]:.0f} s of training", loc="left")
    _save(figure, path)


def plot_parity(path: str | Path, evaluation: Evaluation, name: str) -> None:
    """Predicted against true energies and forces above, their differences below.

    Energies are per atom, less those of isolated atoms; forces are components, colored by element.

    Args:
        path: of the PNG.
        evaluation: predictions and labels.
        name: of the structures, for the title.

    Raises:
        ValueError: if there is neither an energy nor a force label.
    """
    labelled = np.isfinite(evaluation.energy_labels)
    per_atom = 1.0 / evaluation.num_atoms[labelled]
    isolated = evaluation.isolated_energy[labelled]
    energies = [
        (
            "all",
            (evaluation.energy_labels[labelled] - isolated) * per_atom,
            (evaluation.energy[labelled] - isolated) * per_atom,
            evaluation.errors.energy_per_atom,
        )
    ]
    forces = []
    for number in np.unique(evaluation.numbers):
        atoms = evaluation.numbers == number
        truth, predicted = evaluation.forces_labels[atoms].ravel(), evaluation.forces[atoms].ravel()
        known = np.isfinite(truth)
        if known.any():
            sums = evaluation.errors.forces_by_element[int(number)]
            forces.append((chemical_symbols[number], truth[known], predicted[known], sums))
    panels: list[tuple[str, str, list, ErrorSum]] = []
    if labelled.any():
        panels.append(("energy less isolated atoms", "eV/atom", energies, evaluation.errors.energy_per_atom))
    if forces:
        panels.append(("force component", "eV/Å", forces, evaluation.errors.forces))
    if not panels:
        raise ValueError(f"plot_parity: expected energy or force labels, '{name}' has none. Plot another set.")

    figure = Figure(figsize=(5.2 * len(panels), 6.4), dpi=150, layout="constrained")
    axes = figure.subplots(2, len(panels), sharex="col", squeeze=False, height_ratios=(3, 1.2))
    for (above, below), (quantity, unit, groups, sums) in zip(axes.T, panels, strict=True):
        _parity_panel(above, below, quantity, unit, groups, sums)
    figure.suptitle(f"{name}: {len(evaluation.num_atoms)} structures", x=0.01, ha="left")
    _save(figure, path)


def _parity_panel(
    above: Axes, below: Axes, quantity: str, unit: str, groups: list[tuple[str, np.ndarray, np.ndarray, ErrorSum]], sums: Any
) -> None:
    milli = f"m{unit}"
    total = sum(len(truth) for _, truth, _, _ in groups)
    style = {"linestyle": "none", "marker": "o", "markersize": 4 if total < 500 else 2.2, "markeredgewidth": 0}
    style |= {"alpha": 0.8 if total < 500 else 0.45, "rasterized": True}
    values = np.concatenate([np.concatenate((truth, predicted)) for _, truth, predicted, _ in groups])
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    margin = 0.04 * (high - low) or 0.01
    low, high = low - margin, high + margin
    above.plot((low, high), (low, high), color=GRAY, linewidth=1, zorder=1)
    below.axhline(0, color=GRAY, linewidth=1, zorder=1)
    # the most numerous element goes to the back
    order = sorted(range(len(groups)), key=lambda index: -len(groups[index][1]))
    for index in order:
        element, truth, predicted, errors = groups[index]
        color = COLORS[index % len(COLORS)]
        name = "" if len(groups) == 1 and element == "all" else f"{element}: "
        label = f"{name}RMSE {1000 * errors.rmse:.3g}, MAE {1000 * errors.mae:.3g} {milli}"
        above.plot(truth, predicted, color=color, label=label, zorder=2, **style)
        below.plot(truth, 1000 * (predicted - truth), color=color, zorder=2, **style)
    above.set(xlim=(low, high), ylim=(low, high), ylabel=f"predicted ({unit})", title=quantity)
    below.set(xlabel=f"true ({unit})", ylabel=f"predicted − true\n({milli})")
    residuals = np.abs(np.concatenate([1000 * (predicted - truth) for _, truth, predicted, _ in groups]))
    residuals = residuals[np.isfinite(residuals)]
    if len(residuals) and residuals.max() > 0:
        below.set_ylim(-1.1 * residuals.max(), 1.1 * residuals.max())
    for axis in (above, below):
        axis.grid(True, color="0.92")
        axis.set_axisbelow(True)
        axis.ticklabel_format(useOffset=False)
        axis.locator_params(axis="x", nbins=6)
    handles, labels = above.get_legend_handles_labels()
    in_order = sorted(zip(order, handles, labels, strict=True), key=lambda entry: entry[0])
    title = f"RMSE {1000 * sums.rmse:.3g}, MAE {1000 * sums.mae:.3g} {milli}" if len(groups) > 1 else None
    above.legend(
        [handle for _, handle, _ in in_order],
        [label for _, _, label in in_order],
        title=title,
        frameon=False,
        loc="upper left",
        fontsize="small",
        title_fontsize="small",
        alignment="left",
        markerscale=1.5,
    )


def _log_scale(axis: Axes, values: np.ndarray) -> None:
    """Logarithmic, with plain numbers at the ticks where they are short."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return
    axis.set_yscale("log")
    if positive.max() / positive.min() < 50:
        # less than two decades: the powers of ten alone are too few ticks
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        if 1e-2 < positive.min() and positive.max() < 1e4:
            formatter = ScalarFormatter()
            formatter.set_scientific(False)
            axis.yaxis.set_major_formatter(formatter)
        axis.yaxis.set_minor_formatter(NullFormatter())


def _save(figure: Figure, path: str | Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
