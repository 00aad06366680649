"""Layers: what a person chooses, as opposed to what the group dictates (o3)."""

from .activation import Activation
from .conv import Interaction, TensorProductConv
from .fully_connected import FullyConnectedNet
from .gate import Gate
from .norm import BatchNorm
from .radial import BesselBasis, PolynomialCutoff
from .species_linear import SpeciesLinear

__all__ = [
    "Activation",
    "BatchNorm",
    "BesselBasis",
    "FullyConnectedNet",
    "Gate",
    "Interaction",
    "PolynomialCutoff",
    "SpeciesLinear",
    "TensorProductConv",
]
