"""A model file, or several, as one potential that says how wrong it may be."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from .committee import Committee, member_files
from .uncertain_potential import LastLayerPotential, UncertainPotential


def load_uncertain(
    paths: str | os.PathLike | Sequence[str | os.PathLike], device: torch.device | str = "cpu"
) -> UncertainPotential:
    """One model file: its last layer says how uncertain it is. Several, or the directory of a run with several seeds: a committee.

    Args:
        paths: one or several; of model files, or of the directory of a run.
        device: where to compute.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if one is no potential, or they make no committee.
    """
    files = member_files([paths] if isinstance(paths, str | os.PathLike) else paths)
    return LastLayerPotential.load(files[0], device) if len(files) == 1 else Committee.load(files, device)
