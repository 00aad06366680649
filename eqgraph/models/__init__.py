"""Architectures, one per file, and the potential around them."""

from .build import MODELS, build_potential
from .file import load_potential, save_potential
from .nequip import NequIP, NequIPConfig
from .potential import Potential, PotentialInputs, Prediction

__all__ = [
    "MODELS",
    "NequIP",
    "NequIPConfig",
    "Potential",
    "PotentialInputs",
    "Prediction",
    "build_potential",
    "load_potential",
    "save_potential",
]
