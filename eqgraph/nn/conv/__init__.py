"""Message-passing layers."""

from .attention_conv import AttentionConv
from .interaction import Interaction
from .tensor_product_conv import TensorProductConv

__all__ = ["AttentionConv", "Interaction", "TensorProductConv"]
