"""The rectifier with a learned slope, of scalars."""

import torch
from jaxtyping import Float
from torch import Tensor

from eqgraph.o3 import Irreps


class PReLU(torch.nn.Module):
    """max(0, x) + a · min(0, x), of 0e only: torch.nn.PReLU along the last axis.

    It is neither even nor odd, so that it does not exist for 0o. VectorPReLU is the one for all irreps.

    Args:
        irreps_in: irreps of the input, 0e only.
        num_parameters: 1: all scalars share a; or the number of 0e: each has its own.
        init: a at first.

    Attributes:
        weight: (num_parameters,) a, under the name that torch gives it.

    Raises:
        ValueError: for anything but 0e, another number of parameters, or an input of another width.

    Example:
        >>> PReLU("2x0e")(torch.tensor([-1.0, 1.0]))
        tensor([-0.2500,  1.0000], grad_fn=...)

    Reference: He et al. 2015, arXiv:1502.01852.
    """

    def __init__(self, irreps_in: Irreps | str, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.irreps_in = self.irreps_out = Irreps(irreps_in)
        if not all(ir.is_scalar() for _, ir in self.irreps_in):
            raise ValueError(
                f"PReLU: expected only 0e, got irreps_in='{self.irreps_in}': a rectifier commutes neither with inversion nor, "
                "component by component, with rotations. Use nn.Tanh for 0o; nn.Gate, nn.NormActivation or nn.VectorPReLU for l > 0."
            )
        self._dim, self._text = self.irreps_in.dim, str(self.irreps_in)
        if num_parameters not in (1, self._dim):
            raise ValueError(
                f"PReLU: expected num_parameters of 1 or {self._dim}, the number of 0e in '{self._text}', got {num_parameters}. "
                "Choose one of these."
            )
        self.init = init
        self.weight = torch.nn.Parameter(torch.empty(num_parameters))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set all a to init."""
        torch.nn.init.constant_(self.weight, self.init)

    def forward(self, features: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Features (..., irreps_in.dim) to the same shape."""
        if features.shape[-1] != self._dim:
            raise ValueError(
                f"PReLU: expected features with last axis {self._dim} ('{self._text}'), got shape {tuple(features.shape)}. "
                "Check their irreps."
            )
        if features.numel() == 0:
            return features
        # torch takes its channels from axis 1
        return torch.nn.functional.prelu(features.reshape(-1, self._dim), self.weight).reshape(features.shape)

    def __repr__(self) -> str:
        return f"PReLU({self._text}, num_parameters={self.weight.numel()})"
