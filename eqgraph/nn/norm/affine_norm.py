"""Normalizations that end in a learned scale and shift."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .norm import Norm


class AffineNorm(Norm):
    """y = (x - μ) / sqrt(σ² + ε) · weight + bias, where subclasses say what μ and σ² are.

    Args:
        irreps: irreps of the input and output.
        eps: ε, inside the square root: features much smaller than sqrt(ε) are not blown up, and the output is smooth at zero.
        affine: whether there is a weight for each irrep.
        bias: whether there is a bias for each 0e; a fixed bias of anything else would single out a direction.
    """

    def __init__(self, irreps: Irreps | str, eps: float, affine: bool, bias: bool) -> None:
        super().__init__(irreps)
        self.eps, self.affine = eps, affine
        self.register_parameter("weight", torch.nn.Parameter(torch.ones(self.layout.num_copies)) if affine else None)
        self.register_parameter("bias", torch.nn.Parameter(torch.zeros(self.layout.num_scalars)) if bias else None)

    def extra_repr(self) -> str:
        return f"eps={self.eps}"

    def reset_parameters(self) -> None:
        """Weights to one, biases to zero."""
        for parameter, value in ((self.weight, 1.0), (self.bias, 0.0)):
            if parameter is not None:
                torch.nn.init.constant_(parameter, value)

    def columns_of_parameters(self) -> tuple[Tensor | None, Tensor | None]:
        """Weight and bias (..., dim) of each column; None if there are none."""
        weight = None if self.weight is None else self.layout.to_columns(self.weight)
        return weight, self.bias_columns()

    def bias_columns(self) -> Tensor | None:
        """(..., dim), zero for what is not 0e; None if there is none."""
        return None if self.bias is None or not self.layout.num_scalars else self.layout.scalars_to_columns(self.bias)

    def factors(self, variance: Tensor) -> Tensor:
        """(..., num_copies) variances -> (..., num_copies): weight / sqrt(σ² + ε)."""
        factors = (variance + self.eps).rsqrt()
        return factors if self.weight is None else factors * self.weight

    def affine_map(self, centred: Tensor, columns: Tensor) -> Tensor:
        """Centred features times the factors of their columns, (dim,) or (nodes, dim), plus the bias."""
        if self.bias is None:
            return centred * columns
        return torch.addcmul(self.layout.scalars_to_columns(self.bias).to(centred.dtype), centred, columns)

    def shifted(self, features: Tensor) -> Tensor:
        """Features plus the bias."""
        if self.bias is None or not self.layout.num_scalars:
            return features
        return features + self.layout.scalars_to_columns(self.bias).to(features.dtype)
