"""Message-passing layers."""

from .interaction import Interaction
from .tensor_product_conv import TensorProductConv

__all__ = ["Interaction", "TensorProductConv"]
