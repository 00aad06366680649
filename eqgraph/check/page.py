"""The report of a check as one HTML page with histograms."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from eqgraph.report import COLORS, picture, png_bytes, write_page

from .compositions import suggested_energies
from .data_file import CheckedData, DataFile
from .finding import CheckReport
from .net_force import net_force
from .table import plain_findings

_NUM_BINS = 60
_RANGE = (0.1, 99.9)
"""Percentiles between which bins are; what is beyond is in the outermost ones."""


def write_check_page(path: str | Path, report: CheckReport, data: CheckedData) -> None:
    """Write findings and histograms as a page that needs no other file and no network.

    Args:
        path: of the HTML file.
        report: findings.
        data: what was checked.
    """
    parts = [f"<p>{html.escape(report.summary)}.</p>", "<div class='text'>", plain_findings(report).html(), "</div>"]
    parts += [picture(caption, png_bytes(figure)) for caption, figure in histograms(data)]
    write_page(path, "Check of " + ", ".join(Path(file.name).name for file in data.files), parts)


def histograms(data: CheckedData) -> Iterator[tuple[str, Figure]]:
    """Captions and histograms of all quantities that the data have."""
    zero = _zero(data)
    less = "less E0s" if zero else "as it is"
    quantities: tuple[tuple[str, str, Callable[[DataFile], np.ndarray], bool], ...] = (
        (f"Energy per atom, {less}", "eV/atom", lambda file: _energies(file, zero), False),
        ("Force components", "eV/Å", _forces, True),
        ("Distances to the nearest neighbor", "Å", lambda file: _environments(data, file, "nearest"), False),
        (f"Neighbors within {data.cutoff:g} Å", "neighbors of an atom", lambda file: _environments(data, file, "num_neighbors"), False),
        ("Net force per atom", "eV/Å", _net_forces, True),
    )  # fmt: skip
    for caption, unit, values_of, logarithmic in quantities:
        values = {Path(file.name).name: values_of(file) for file in data.files}
        values = {name: array[np.isfinite(array)] for name, array in values.items()}
        if any(len(array) for array in values.values()):
            yield caption, _histogram(values, unit, logarithmic)


def _histogram(values: dict[str, np.ndarray], unit: str, logarithmic: bool) -> Figure:
    figure = Figure(figsize=(8, 3), dpi=110, layout="constrained")
    axis = figure.subplots()
    together = np.concatenate([array for array in values.values() if len(array)])
    low, high = np.percentile(together, _RANGE)
    if high - low < 1e-12 * max(abs(low), abs(high), 1e-300):
        low, high = low - 0.5, high + 0.5
    whole = np.issubdtype(together.dtype, np.integer)
    edges = np.arange(np.floor(low), np.ceil(high) + 2) - 0.5 if whole else np.linspace(low, high, _NUM_BINS + 1)
    for number, (name, array) in enumerate(values.items()):
        if len(array):
            weights = np.full(len(array), 1 / len(array))
            # no mathematics and no hidden legend entries: the name comes from the user
            label = "file " + name.replace("$", r"\$")
            inside = np.clip(array, edges[0], edges[-1])
            axis.hist(inside, edges, weights=weights, histtype="step", color=COLORS[number % len(COLORS)], label=label)
    if logarithmic:
        axis.set_yscale("log")
    axis.set_xlabel(unit)
    axis.set_ylabel("fraction")
    axis.legend(frameon=False, fontsize="small")
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    return figure


def _zero(data: CheckedData) -> dict[int, float]:
    """E0s; none if the data do not determine them."""
    try:
        return suggested_energies(data).shifts
    except ValueError:
        return {}


def _energies(file: DataFile, zero: dict[int, float]) -> np.ndarray:
    return np.array(
        [
            (frame.energy - sum(zero.get(number, 0.0) for number in frame.atoms.numbers.tolist())) / len(frame.atoms)
            for frame in file.molecules
            if frame.energy is not None and (not zero or zero.keys() >= set(frame.atoms.numbers.tolist()))
        ]
    )


def _forces(file: DataFile) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(f.forces.ravel() for f in file.molecules if f.forces is not None)])


def _net_forces(file: DataFile) -> np.ndarray:
    return np.array([net_force(frame) for frame in file.molecules if frame.forces is not None])


def _environments(data: CheckedData, file: DataFile, name: str) -> np.ndarray:
    found = [getattr(env, name) for frame, env in data.environments(file) if not frame.is_isolated_atom]
    return np.concatenate(found) if found else np.zeros(0)
