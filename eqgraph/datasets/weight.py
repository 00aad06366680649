"""How much a structure counts."""

import dataclasses
import math
from collections.abc import Mapping

import ase

from .frame import Frame

WEIGHT_KEY = "config_weight"
"""Under which name atoms.info has the weight of a structure."""


def find_weight(atoms: ase.Atoms, where: str) -> float:
    """The weight of a structure in the loss: atoms.info["config_weight"], or 1.

    Args:
        atoms: the structure.
        where: its name in messages.

    Raises:
        ValueError: if it is not a finite number, or below zero.

    Example:
        >>> find_weight(ase.Atoms("H", info={"config_weight": 2}), "frame 0"), find_weight(ase.Atoms("H"), "frame 1")
        (2.0, 1.0)
    """
    value = atoms.info.get(WEIGHT_KEY, 1.0)
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise ValueError(
            f"{where}: expected {WEIGHT_KEY!r} to be a finite number, 0 or above, got {value!r:.80}. Correct or remove it."
        )
    return weight


def weighted(frame: Frame, config_types: Mapping[str, float]) -> Frame:
    """The frame with its weight times that of its config_type.

    Example:
        >>> import ase
        >>> weighted(Frame(ase.Atoms("H", info={"config_type": "surface"}), weight=3.0), {"surface": 2.0}).weight
        6.0
    """
    factor = config_types.get(frame.config_type, 1.0)
    return frame if factor == 1 else dataclasses.replace(frame, weight=factor * frame.weight)
