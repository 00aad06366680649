"""Potentials inside other programs."""

from .ase import EqgraphCalculator
from .d3 import D3Calculator, with_dispersion

__all__ = ["D3Calculator", "EqgraphCalculator", "with_dispersion"]
