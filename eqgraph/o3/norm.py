"""The length of each copy of an irrep."""

import torch
from jaxtyping import Float
from torch import Tensor

from .irreps import Irreps, IrrepsLike


class Norm(torch.nn.Module):
    """The length of each copy, which no rotation changes; at zero its derivative is taken as zero.

    Args:
        irreps_in: irreps of the input.
        squared: whether to return the squared length, which is smooth.

    Example:
        >>> norm = Norm("0e + 1o")
        >>> norm.irreps_out
        2x0e
        >>> norm(torch.tensor([-2.0, 3.0, 0.0, 4.0]))
        tensor([2., 5.])

    Reference: Geiger & Smidt 2022, arXiv:2207.09453, section 5.
    """

    def __init__(self, irreps_in: IrrepsLike, squared: bool = False):
        super().__init__()
        self.irreps_in = Irreps(irreps_in).simplify()
        self.irreps_out = Irreps([(self.irreps_in.num_irreps, "0e")])
        self.squared = squared
        self._blocks = [(mul, ir.dim) for mul, ir in self.irreps_in]

    def forward(self, features: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch num_irreps"]:
        """Lengths of features.

        Args:
            features: features of irreps_in.

        Raises:
            ValueError: if the last axis has not the length of irreps_in.
        """
        sizes = [mul * dim for mul, dim in self._blocks]
        if features.shape[-1] != sum(sizes):
            raise ValueError(
                f"Norm: expected features of shape (..., {sum(sizes)}) for irreps_in='{self.irreps_in}', "
                f"got {tuple(features.shape)}. Check their irreps."
            )
        blocks = features.split(sizes, dim=-1)
        squares = [
            block.unflatten(-1, shape).square().sum(-1) for block, shape in zip(blocks, self._blocks, strict=True)
        ]
        lengths = torch.cat([features[..., :0], *squares], dim=-1)
        if self.squared:
            return lengths
        positive = lengths > 0
        return torch.where(positive, torch.where(positive, lengths, 1).sqrt(), 0)

    def __repr__(self) -> str:
        return f"Norm({self.irreps_in})"
