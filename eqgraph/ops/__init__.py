"""Functions of tensors: no parameters, no irreps objects."""

from .edges import Edges
from .paths import Path, PathTable
from .reference import segment_sum, solid_harmonics, tensor_product, tensor_product_conv

__all__ = [
    "Edges",
    "Path",
    "PathTable",
    "segment_sum",
    "solid_harmonics",
    "tensor_product",
    "tensor_product_conv",
]
