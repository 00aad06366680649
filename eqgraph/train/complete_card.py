"""What a model file says of the training that is over."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from eqgraph.model_file import add_metadata


def complete_card(path: Path, errors: dict[str, list[dict[str, Any]]], history: list[dict[str, float]]) -> None:
    """Write the errors of the last evaluation and the length of the training into a model file.

    The same training writes the same bytes: there is no date and no time in them.

    Args:
        path: of the file.
        errors: name of a set -> rows of its table.
        history: rows of metrics.csv.
    """
    known = {name: [_finite(row) for row in rows] for name, rows in errors.items()}
    length = {"epochs": int(history[-1]["epoch"]), "steps": int(history[-1]["step"])} if history else {}
    add_metadata(path, {"errors": known, "length": length}, "complete_card")


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: such numbers are left out as null."""
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
