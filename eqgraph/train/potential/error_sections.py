"""Errors by quantity, element and kind of structure, for the page of a training."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.data import chemical_symbols

from eqgraph.report import Chart, PlainTable, Section, axis, chart_text, paragraph

from ..set_colors import set_colors
from .frame_errors import EvaluatedSet
from .metrics import PotentialErrors
from .tables import three_digits


def error_section(errors: dict[str, PotentialErrors]) -> Section:
    """The table of errors.csv.

    Args:
        errors: name of the set -> its errors.
    """
    rows = [
        (name, row.quantity, row.element, three_digits(row.mae), three_digits(row.rmse), row.unit, str(row.count))
        for name, sums in errors.items()
        for row in sums.rows()
    ]
    return errors_from_rows(rows)


def errors_from_rows(rows: list[tuple[str, ...]]) -> Section:
    """The same from texts, as errors.csv has them."""
    header = ("structures", "quantity", "element", "MAE", "RMSE", "unit", "labels")
    return Section("Errors", [PlainTable("", header, rows).html()])


def by_element(errors: dict[str, PotentialErrors]) -> Section | None:
    """Bars of the root mean squared error of forces for each element and set; None without forces."""
    species = sorted({number for sums in errors.values() for number in sums.forces_by_element})
    symbols = [chemical_symbols[number] for number in species]
    data: list[dict[str, Any]] = []
    colors = set_colors(errors)
    for name, sums in errors.items():
        found = [sums.forces_by_element.get(number) for number in species]
        values = [1000 * one.rmse if one is not None and np.isfinite(one.rmse) else None for one in found]
        if any(value is not None for value in values):
            data.append(
                {
                    "type": "bar",
                    "name": chart_text(name, cut=True),
                    "x": symbols,
                    "y": values,
                    "marker": {"color": colors[name]},
                    "hovertemplate": "%{x}: %{y:.4g} meV/Å",
                }
            )
    if not data:
        return None
    layout = {
        "xaxis": axis("", type="category"),
        "yaxis": axis("force RMSE (meV/Å)"),
        "barmode": "group",
        "bargap": 0.3,
    }
    return Section("Errors by element", [Chart(data, layout, "", "", 320).html()])


def by_config_type(sets: list[EvaluatedSet]) -> Section:
    """A table of errors for each config_type of the files; says so where they have none."""
    rows = []
    for each in sets:
        kinds = np.array(each.config_types, dtype=object)
        if not any(each.config_types):
            continue
        for kind in sorted(set(each.config_types)):
            inside = kinds == kind
            atoms = np.repeat(inside, each.evaluation.num_atoms)
            energy, forces = (_rmse(1000 * values) for values in (each.energy_errors[inside], each.force_errors[atoms]))
            rows.append((each.name, kind or "(none)", str(int(inside.sum())), energy, forces))
    if not rows:
        return Section("Errors by configuration type", [paragraph("The structures have no config_type.")])
    header = ("structures", "config_type", "number", "energy RMSE (meV/atom)", "force RMSE (meV/Å)")
    return Section("Errors by configuration type", [PlainTable("", header, rows).html()])


def _rmse(errors: np.ndarray) -> str:
    known = errors[~np.isnan(errors)]
    return three_digits(float(np.sqrt(np.square(known).mean()))) if len(known) else "-"
