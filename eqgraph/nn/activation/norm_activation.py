"""A nonlinearity of the length of each irrep."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from eqgraph.nn.norm.layout import Layout
from eqgraph.o3 import Irreps


class NormActivation(torch.nn.Module):
    """Scale each irrep by a function of its length; the direction stays.

    y = x / n · φ(n + b)  or, without normalize,  y = x · φ(n + b),   n = sqrt(|x|² + ε²)

    n is smooth, also at x = 0, where e3nn clamps |x| from below by ε; above ε the two agree to (ε / |x|)² / 2. With normalize, the
    derivative at zero is φ(ε + b) / ε: if forces depend on it, take a φ with φ(0) = 0 (tanh), or an ε of the size of typical features.

    Args:
        irreps_in: irreps of the input and output.
        scalar_nonlinearity: φ, elementwise. Unlike that of Activation it is not scaled.
        normalize: whether x is divided by its length.
        epsilon: ε, a length; None: 1e-8.
        bias: whether there is a b for each irrep, zero at first.

    Attributes:
        biases: (irreps_in.num_irreps,), under the name that e3nn gives them.

    Raises:
        ValueError: if epsilon is not positive, or an input has another width.

    Example:
        >>> x = torch.tensor([[3.0, 0.0, 4.0]])
        >>> NormActivation("1x1o", torch.sigmoid)(x).norm(dim=-1)
        tensor([0.9933])

    Reference: Thomas et al. 2018, arXiv:1802.08219, section 4.1.3; Worrall et al. 2017, arXiv:1612.04642.
    """

    def __init__(
        self,
        irreps_in: Irreps | str,
        scalar_nonlinearity: Callable[[Tensor], Tensor],
        normalize: bool = True,
        epsilon: float | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.irreps_in = self.irreps_out = Irreps(irreps_in)
        self.layout = Layout(self.irreps_in)
        self._text = str(self.irreps_in)
        epsilon = 1e-8 if epsilon is None else epsilon
        if not epsilon > 0:
            raise ValueError(
                f"NormActivation: expected epsilon > 0, got {epsilon}: without it there is no derivative at zero. Use 1e-8."
            )
        self.scalar_nonlinearity, self.normalize, self.epsilon = scalar_nonlinearity, normalize, epsilon
        self.bias = bias
        self.register_parameter("biases", torch.nn.Parameter(torch.zeros(self.layout.num_copies)) if bias else None)

    def forward(self, features: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Features (..., irreps_in.dim) to the same shape."""
        if features.shape[-1] != self.layout.dim:
            raise ValueError(
                f"NormActivation: expected features with last axis {self.layout.dim} ('{self._text}'), got shape "
                f"{tuple(features.shape)}. Check their irreps."
            )
        if features.numel() == 0:
            return features
        x = features.reshape(-1, self.layout.dim)
        if x.dtype in (torch.float16, torch.bfloat16):
            x = x.float()  # the square of ε is below what half precision can hold
        # not rsqrt: its second derivative passes by 1 / n⁵, which is beyond float32
        lengths = (self.layout.power(x, "norm") + self.epsilon**2).sqrt()
        scales = self.scalar_nonlinearity(lengths if self.biases is None else lengths + self.biases.to(x.dtype))
        if self.normalize:
            scales = scales / lengths
        return self.layout.scaled(x, scales).to(features.dtype).reshape(features.shape)

    def __repr__(self) -> str:
        return f"NormActivation({self._text}, normalize={self.normalize}, epsilon={self.epsilon}, bias={self.bias})"

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        for name in ("norm.tp", "scalar_multiplier"):  # constants that e3nn keeps in its checkpoints
            for constant in ("weight", "output_mask"):
                state_dict.pop(f"{prefix}{name}.{constant}", None)
        super()._load_from_state_dict(state_dict, prefix, *args)
