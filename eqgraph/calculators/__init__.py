"""Potentials inside other programs."""

from .ase import EqgraphCalculator

__all__ = ["EqgraphCalculator"]
