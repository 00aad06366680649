"""Relative paths in a config."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_PATHS = {"data": ("train", "valid", "test", "isolated_atoms", "replay"), "training": ("output", "init_from")}


def resolve_paths(raw: dict[Any, Any], folder: Path) -> None:
    """Make the relative paths absolute, in place; values of the wrong type are left for the validation to name.

    Example:
        >>> raw = {"data": {"train": "a.xyz", "valid": 0.1}}
        >>> resolve_paths(raw, Path("/data"))
        >>> raw
        {'data': {'train': '/data/a.xyz', 'valid': 0.1}}
    """

    def absolute(value: Any) -> Any:
        if isinstance(value, str):
            return os.path.normpath(folder / os.path.expanduser(value))  # of an unknown user it stays as it is
        if isinstance(value, list):
            return [absolute(entry) for entry in value]
        if isinstance(value, dict):
            return {name: absolute(entry) for name, entry in value.items()}
        return value

    for section, keys in _PATHS.items():
        if isinstance(values := raw.get(section), dict):
            for key in keys:
                if key in values:
                    values[key] = absolute(values[key])
