"""What was chosen, and why, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eqgraph.datasets import Frame
from eqgraph.report import PlainTable

from .pool import Pool
from .select_frames import Choice

_SHOWN = 20


def selection_table(pool: Pool, frames: Sequence[Frame], choices: Sequence[Choice]) -> PlainTable:
    """The first choices, and what all of them are next to the pool.

    Args:
        pool: that they were chosen from.
        frames: of the pool.
        choices: in their order.
    """
    unit = pool.unit
    rows = [
        (
            str(number),
            _place(frames[choice.row]),
            frames[choice.row].config_type or "",
            frames[choice.row].atoms.get_chemical_formula(),
            f"{1000 * choice.deviation:.3g}",
            str(choice.rank),
            f"{1000 * choice.given_others:.3g}",
        )
        for number, choice in enumerate(choices[:_SHOWN], 1)
    ]
    if len(choices) > _SHOWN:
        rows.append((f"... {len(choices) - _SHOWN} more", "", "", "", "", "", ""))
    for name, deviations in (
        ("chosen, mean", np.array([choice.deviation for choice in choices])),
        ("pool, mean", pool.deviation),
    ):
        rows.append((name, f"{len(deviations)} structures", "", "", f"{1000 * deviations.mean():.3g}", "", ""))
    header = ("", "structure", "config_type", "formula", f"σ ({unit})", "rank", f"σ given those above ({unit})")
    return PlainTable(f"Chosen by the uncertainty of the {pool.quantity}", header, rows)


def _place(frame: Frame) -> str:
    """A folder is nothing for a column of a table."""
    return f"frame {frame.index}" if frame.source is None else f"{Path(frame.source).name}, frame {frame.index}"


def selection_json(pool: Pool, frames: Sequence[Frame], choices: Sequence[Choice]) -> str:
    """All choices with all their digits; deviations in eV and eV/Å."""
    chosen = [
        {
            "file": frames[choice.row].source,
            "frame": frames[choice.row].index,
            "config_type": frames[choice.row].config_type,
            "formula": frames[choice.row].atoms.get_chemical_formula(),
            "uncertainty": choice.deviation,
            "uncertainty_given_others": choice.given_others,
            "rank": choice.rank,
        }
        for choice in choices
    ]
    content = {
        "quantity": pool.quantity,
        "unit": pool.unit.removeprefix("m"),
        "pool": {"structures": len(pool.deviation), "mean_uncertainty": float(pool.deviation.mean())},
        "chosen": chosen,
    }
    return json.dumps(content, indent=2)
