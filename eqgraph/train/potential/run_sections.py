"""What the page of a potential's training shows."""

from __future__ import annotations

import csv
import html
from pathlib import Path
from typing import Any

import numpy as np

from eqgraph.models import Potential
from eqgraph.report import Section, chart_text, grid, paragraph

from .calibration_section import Uncertain, calibration_section
from .dimers import dimer_curves, dimer_section, shortest_distances, trained_distances
from .error_sections import by_config_type, by_element, error_section, errors_from_rows
from .frame_errors import EvaluatedSet
from .parity_charts import parity_charts
from .tables import three_digits
from .worst_frames import worst_frames


def result_sections(sets: list[EvaluatedSet]) -> list[Section]:
    """What one looks at first: errors, and predictions against labels.

    Args:
        sets: structures and predictions.
    """
    parity = []
    for each in sets:
        parity.append(f"<h3>{html.escape(each.name)}: {len(each.dataset)} structures</h3>")
        parity.append(grid([chart.html() for chart in parity_charts(each, len(sets))]))
    return [error_section({each.name: each.evaluation.errors for each in sets}), Section("Parity", parity)]


def detail_sections(sets: list[EvaluatedSet]) -> list[Section]:
    """What explains them: elements, kinds of structures, single structures."""
    elements = by_element({each.name: each.evaluation.errors for each in sets})
    uncertainty = calibration_section(_uncertainties(sets))
    found = [elements, by_config_type(sets), worst_frames(sets), uncertainty]
    return [section for section in found if section is not None]


def _uncertainties(sets: list[EvaluatedSet]) -> dict[tuple[str, str], dict[str, Uncertain]]:
    """Of energies and forces, as far as the model knows them."""
    energies, forces = {}, {}
    for each in sets:
        evaluation, names = each.evaluation, [chart_text(place) for place in each.places]
        if evaluation.energy_uncertainty is not None:
            uncertainties = 1000 * evaluation.energy_uncertainty / evaluation.num_atoms
            energies[each.name] = Uncertain(1000 * each.energy_errors, uncertainties, names)
        if evaluation.forces_uncertainty is not None:
            of_atoms = np.repeat(names, 3 * evaluation.num_atoms).tolist()
            errors, uncertainties = each.force_errors.ravel(), evaluation.forces_uncertainty.ravel()
            forces[each.name] = Uncertain(1000 * errors, 1000 * uncertainties, of_atoms)
    return {("energy per atom", "meV/atom"): energies, ("force components", "meV/Å"): forces}


def dimer_sections(potential: Potential, header: dict[str, Any], sets: list[EvaluatedSet]) -> list[Section]:
    """Energies of two atoms, with the shortest distances that the model file knows, or else of the set "train" if it is there."""
    train = next((each.dataset for each in sets if each.name == "train"), None)
    shortest = trained_distances(header) or (shortest_distances(train) if train is not None else {})
    return [dimer_section(dimer_curves(potential), shortest)]


def stored_sections(path: Path) -> list[Section]:
    """Where nothing can be evaluated: what errors.csv says."""
    if not path.is_file():
        return [Section("Errors", [paragraph("There are no errors yet.")])]
    with path.open(newline="", encoding="utf-8") as file:
        rows = [
            (
                row["structures"],
                row["quantity"],
                row["element"],
                three_digits(float(row["mae"])),
                three_digits(float(row["rmse"])),
                row["unit"],
                row["count"],
            )
            for row in csv.DictReader(file)
        ]
    return [errors_from_rows(rows)]
