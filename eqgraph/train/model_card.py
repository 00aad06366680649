"""What a model file says of itself, for the page of its training."""

from __future__ import annotations

from typing import Any

from ase.data import chemical_symbols


def model_card(header: dict[str, Any]) -> dict[str, str]:
    """Name -> text, of all that the header of a model file says but the training's config and its validation errors.

    Args:
        header: see `load_potential` and `load_classifier`.

    Example:
        >>> model_card({"format": "eqgraph-potential-1", "species": [1, 8], "metadata": {"E0s": {"H": -13.6}}})
        {'format': 'eqgraph-potential-1', 'species': 'H, O', 'E0s': 'H -13.6'}
    """
    metadata = {
        name: value for name, value in header.get("metadata", {}).items() if name not in ("training", "validation")
    }
    rows = {name: value for name, value in header.items() if name != "metadata"}
    if "species" in rows:
        rows["species"] = [chemical_symbols[number] for number in rows["species"]]
    if epoch := header.get("metadata", {}).get("validation", {}).get("epoch"):
        rows["epoch"] = epoch
    return {name.replace("_", " "): text for name, value in (rows | metadata).items() if (text := _text(value))}


def _text(value: Any) -> str:
    if value is None or value in ([], {}, ""):
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(entry) or 'none'}" for name, entry in value.items())
    if isinstance(value, list):
        return ", ".join(_text(entry) for entry in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
