"""The structures on which a potential is worst, for the page of its training."""

from __future__ import annotations

import html

import numpy as np

from eqgraph.report import PlainTable, Section, grid, paragraph

from .frame_errors import EvaluatedSet, file_name
from .structure_drawing import draw_structure
from .tables import three_digits

_ROWS = 8
_DRAWINGS = 4
HEADER = (
    "file",
    "frame",
    "config_type",
    "formula",
    "energy error (meV/atom)",
    "force RMSE (meV/Å)",
    "largest (meV/Å)",
    "of atom",
)


def worst_frames(sets: list[EvaluatedSet]) -> Section:
    """For each set a table of the structures with the largest errors (of forces, or without these of energies), the first ones drawn.

    Args:
        sets: structures and predictions.
    """
    parts = [paragraph("By the error of the forces, where there are labels, otherwise by that of the energy per atom.")]
    for each in sets:
        worst = _worst(each)
        if not worst:
            continue
        parts.append(PlainTable(each.name, HEADER, [_row(each, index) for index in worst]).html())
        parts.append(grid([_drawing(each, index) for index in worst[:_DRAWINGS]], "tiles"))
    return Section("Worst frames", parts)


def _worst(each: EvaluatedSet) -> list[int]:
    """Numbers of structures, the worst first; an error that is no number is the worst of all."""
    forces = np.isfinite(each.evaluation.forces_labels).any()
    labels = np.add.reduceat(np.isfinite(each.evaluation.forces_labels).any(1), each.starts) > 0
    if not forces:
        labels = np.isfinite(each.evaluation.energy_labels)
    size = each.force_rmse if forces else np.abs(each.energy_errors)
    order = np.argsort(-np.nan_to_num(size, nan=np.inf), kind="stable")
    return [int(index) for index in order if labels[index]][:_ROWS]


def _row(each: EvaluatedSet, index: int) -> tuple[str, ...]:
    frame = each.frames[index]
    energy, forces = float(1000 * each.energy_errors[index]), float(1000 * each.force_rmse[index])
    largest = atom = "-"
    if not np.isnan(forces):
        number, symbol, length = each.worst_atom(index)
        largest, atom = three_digits(1000 * length), f"{number} ({symbol})"
    return (
        file_name(frame),
        str(frame.index),
        frame.config_type or "-",
        frame.atoms.get_chemical_formula(),
        "-" if np.isnan(energy) else f"{energy:+.3g}",
        "-" if np.isnan(forces) else three_digits(forces),
        largest,
        atom,
    )


def _drawing(each: EvaluatedSet, index: int) -> str:
    frame = each.frames[index]
    has_forces = not np.isnan(each.force_rmse[index])
    mark = each.worst_atom(index)[0] if has_forces else None
    text = html.escape(f"{file_name(frame)}, frame {frame.index}" + (f": atom {mark} circled" if has_forces else ""))
    return f"<figure class='drawing'>{draw_structure(frame.atoms, mark)}<figcaption>{text}</figcaption></figure>"
