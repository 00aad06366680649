"""One learned factor for each irrep, smaller at first for higher degrees."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .nodes import Nodes
from .norm import Norm


class DegreeLayerScale(Norm):
    """Multiply each irrep by a learned factor, the same for all nodes.

    y_c = γ_c x_c   with γ_c = 1 for l = 0 and 1 / sqrt(scale_factor · l) for l > 0, at first

    Args:
        irreps: irreps of the input and output.
        scale_factor: how much less higher degrees count at first.

    Raises:
        ValueError: for a scale_factor that is not positive, or an input that does not fit.

    Example:
        >>> DegreeLayerScale("2x0e + 1x1o + 1x2e").weight
        Parameter containing:
        tensor([1.0000, 1.0000, 0.7071, 0.5000], requires_grad=True)

    Reference: Touvron et al. 2021, arXiv:2103.17239 (LayerScale), with the degree in the factor as in fairchem.
    """

    is_local = True

    def __init__(self, irreps: Irreps | str, scale_factor: float = 2.0) -> None:
        super().__init__(irreps)
        if not 0 < scale_factor < float("inf"):
            raise ValueError(
                f"DegreeLayerScale: expected a positive scale_factor, got {scale_factor} for irreps '{self._text}'. Choose 2, for "
                "factors of 1 / sqrt(2l)."
            )
        self.scale_factor = scale_factor
        self.weight = torch.nn.Parameter(torch.empty(self.layout.num_copies))
        self.reset_parameters()

    def extra_repr(self) -> str:
        return f"scale_factor={self.scale_factor}"

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Factors to what they are at first."""
        degree = (self.layout.dim_of_copy - 1) / 2
        factors = (self.scale_factor * degree).rsqrt()
        self.weight.copy_(torch.where(degree > 0, factors, 1.0))

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        return x * self.layout.to_columns(self.weight).to(x.dtype)
