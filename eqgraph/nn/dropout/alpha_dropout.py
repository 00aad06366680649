"""Dropout that keeps the mean and variance of self-normalizing networks."""

from torch import Tensor

from eqgraph.nn.norm.nodes import Nodes
from eqgraph.o3 import Irreps

from .random_mask import RandomMask

SATURATION = -1.7580993408473766
"""α': what SELU tends to for very negative input, minus its scale times its α."""


class AlphaDropout(RandomMask):
    """Set 0e to the value at which SELU saturates, and other irreps to zero, at random, and keep means and mean squares, in training.

    0e:    y = a · (k x + (1 - k) α' - p α')   with a = 1 / sqrt((1 - p) (1 + p α'²)), α' = -1.7580993408473766
    else:  y = k x / sqrt(1 - p)               with k = 0 with probability p, else 1

    For 0e of mean 0 and variance 1, as SELU gives them, y has mean 0 and variance 1. Zero is the only value that turns with a vector
    and changes sign with a pseudoscalar, so that α' = 0 for all others; of these E[|y|²] = |x|², while E[y] = sqrt(1 - p) x, which is
    not x as it is for Dropout.

    Args:
        irreps: irreps of the input and output.
        p: probability to drop.
        inplace: whether the result is written to the input tensor.

    Raises:
        ValueError: for p outside [0, 1], or an input that does not fit.

    Example:
        >>> import torch
        >>> dropout = AlphaDropout("1x0e", p=0.3)
        >>> y = dropout(torch.nn.functional.selu(torch.randn(10000, 1)))
        >>> bool(y.mean().abs() < 0.1), bool((y.var() - 1).abs() < 0.1), round(y.min().item(), 4)
        (True, True, -1.0595)

    Reference: Klambauer et al. 2017, arXiv:1706.02515; of 0e as in torch.nn.AlphaDropout.
    """

    def __init__(self, irreps: Irreps | str, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__(irreps, p, inplace)

    def drop(self, x: Tensor, nodes: Nodes) -> Tensor:
        layout, kept = self.layout, self.draw(nodes, self.layout.num_copies, x)
        if self.p == 1:
            return x * 0.0  # there is nothing left whose variance could be kept
        scalar_gain = ((1 - self.p) * (1 + self.p * SATURATION**2)) ** -0.5
        gains = kept.new_full((layout.num_copies,), (1 - self.p) ** -0.5).index_fill(
            0, layout.scalar_copies, scalar_gain
        )
        y = x * nodes.spread(layout.to_columns(kept * gains))
        shift = (1 - self.p - kept.index_select(1, layout.scalar_copies)) * (SATURATION * scalar_gain)
        return y.index_add_(1, layout.scalar_columns, nodes.spread(shift).expand(len(x), -1))


class FeatureAlphaDropout(AlphaDropout):
    """AlphaDropout of an irrep in all nodes of a graph at once.

    Args:
        irreps: irreps of the input and output.
        p: probability to drop.
        inplace: whether the result is written to the input tensor.

    Raises:
        ValueError: for p outside [0, 1], or an input that does not fit.

    Example:
        >>> import torch
        >>> dropout = FeatureAlphaDropout("2x0e + 1x1o", p=0.5)
        >>> y = dropout(torch.ones(4, 5), batch=torch.tensor([0, 0, 1, 1]))
        >>> torch.equal(y[0], y[1]), torch.equal(y[2], y[3])
        (True, True)

    Reference: Klambauer et al. 2017, arXiv:1706.02515; the meaning of torch.nn.FeatureAlphaDropout.
    """

    per_graph = True
