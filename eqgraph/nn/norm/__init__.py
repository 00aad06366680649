"""Normalization layers."""

from .batch_norm import BatchNorm

__all__ = ["BatchNorm"]
