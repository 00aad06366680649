"""The uncertainty of the last layer in a model file."""

from __future__ import annotations

import os
from typing import Any

from eqgraph.models import Potential, read_attached, save_potential

from .last_layer import LastLayerUncertainty

_NAME = "last_layer"


def save_with_last_layer(
    path: str | os.PathLike, potential: Potential, metadata: dict[str, Any], last_layer: LastLayerUncertainty | None
) -> None:
    """Write a potential together with the uncertainty that was fitted to it.

    Args:
        path: of the model file.
        potential: what to save.
        metadata: see save_potential.
        last_layer: None if there is none.

    Raises:
        ValueError, OSError: as save_potential.
    """
    save_potential(path, potential, metadata, {_NAME: last_layer.tensors()} if last_layer else {})


def last_layer_of(path: str | os.PathLike) -> LastLayerUncertainty | None:
    """The uncertainty in a model file; None if it has none, as files of older versions.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged.
    """
    tensors = read_attached(path, _NAME)
    return LastLayerUncertainty.of_tensors(tensors) if tensors else None
