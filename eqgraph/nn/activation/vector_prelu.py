"""The rectifier with a learned slope, of all irreps."""

import torch
from jaxtyping import Float
from torch import Tensor

from eqgraph.o3 import Irreps, Linear


class VectorPReLU(torch.nn.Module):
    """Cut each irrep at the plane through zero whose normal d is learned: what lies behind is pulled towards the plane.

    y = a x + (1 - a) · (x  if ⟨x, d⟩ >= 0  else  x - ⟨x, d⟩ d / (⟨d, d⟩ + ε)),   d = W x

    W mixes copies of the same irrep, so that d turns and changes sign with x, and ⟨x, d⟩ does not change at all: any l and parity will
    do. The output is continuous; its first derivative jumps at the plane, but not at zero, where ε makes it the identity.

    Args:
        irreps_in: irreps of the input and output.
        num_parameters: 1: all irreps share a; or irreps_in.num_irreps: each copy has its own.
        init: a at first. With a = 1 the layer is the identity.
        epsilon: ε, a squared length: directions much shorter than sqrt(ε) cut nothing off.
        shared_direction: whether all copies of an irrep (entry of irreps_in) are cut at one plane.

    Attributes:
        weight: (num_parameters,) a.
        direction: o3.Linear, W.

    Raises:
        ValueError: for another number of parameters, an ε that is not positive, or an input of another width.

    Example:
        >>> VectorPReLU("8x0e + 4x1o + 2x2e")(torch.randn(10, 30)).shape
        torch.Size([10, 30])

    Reference: Deng et al. 2021, arXiv:2104.12229 (Vector Neurons), section 3.2, for l = 1.
    """

    def __init__(
        self,
        irreps_in: Irreps | str,
        num_parameters: int = 1,
        init: float = 0.25,
        epsilon: float = 1e-6,
        shared_direction: bool = False,
    ) -> None:
        super().__init__()
        self.irreps_in = self.irreps_out = Irreps(irreps_in)
        num_irreps = self.irreps_in.num_irreps
        if num_parameters not in (1, num_irreps):
            raise ValueError(
                f"VectorPReLU: expected num_parameters of 1 or {num_irreps}, the number of irreps in '{self.irreps_in}', got "
                f"{num_parameters}. Choose one of these."
            )
        if not epsilon > 0:
            raise ValueError(
                f"VectorPReLU: expected epsilon > 0, got {epsilon}: without it the derivative at zero is undefined. Use 1e-6."
            )
        self.init, self.epsilon = init, epsilon
        irreps_direction = Irreps([(min(mul, 1) if shared_direction else mul, ir) for mul, ir in self.irreps_in])
        self.direction = Linear(self.irreps_in, irreps_direction)
        self.weight = torch.nn.Parameter(torch.empty(num_parameters))
        self._text, self._dim = str(self.irreps_in), self.irreps_in.dim
        self._blocks = [(mul, ir.dim) for mul, ir in self.irreps_in]
        self._directions = [mul * ir.dim for mul, ir in irreps_direction]
        torch.nn.init.constant_(self.weight, init)

    def reset_parameters(self) -> None:
        """Set all a to init, and draw new directions."""
        torch.nn.init.constant_(self.weight, self.init)
        torch.nn.init.normal_(self.direction.weight)

    def forward(self, features: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Features (..., irreps_in.dim) to the same shape."""
        if features.shape[-1] != self._dim:
            raise ValueError(
                f"VectorPReLU: expected features with last axis {self._dim} ('{self._text}'), got shape {tuple(features.shape)}. "
                "Check their irreps."
            )
        directions = self.direction(features)
        muls, widths = [mul for mul, _ in self._blocks], [mul * dim for mul, dim in self._blocks]
        slopes = self.weight.expand(sum(muls)).split(muls)
        parts = zip(
            features.split(widths, dim=-1),
            directions.split(self._directions, dim=-1),
            slopes,
            self._blocks,
            strict=True,
        )
        cut = [self._cut(x, d, a, *block) for x, d, a, block in parts]
        return torch.cat(cut, dim=-1) if cut else features

    def _cut(self, x: Tensor, d: Tensor, a: Tensor, mul: int, dim: int) -> Tensor:
        if mul == 0:
            return x
        exact = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
        x_, d_ = x.to(exact).unflatten(-1, (mul, dim)), d.to(exact).unflatten(-1, (-1, dim))
        behind = torch.relu(-(x_ * d_).sum(-1, keepdim=True))
        pull = (1 - a.to(exact)).unsqueeze(-1) * behind / (d_.square().sum(-1, keepdim=True) + self.epsilon)
        return (x_ + pull * d_).flatten(-2).to(x.dtype)

    def __repr__(self) -> str:
        return f"VectorPReLU({self._text}, num_parameters={self.weight.numel()})"
