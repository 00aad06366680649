"""Dropout of irreps of nodes."""

from torch import Tensor

from eqgraph.nn.norm.nodes import Nodes
from eqgraph.o3 import Irreps

from .random_mask import RandomMask


class Dropout(RandomMask):
    """Set irreps of nodes to zero at random, and scale up those kept, in training.

    y[i, c, m] = x[i, c, m] · k[i, c] / (1 - p)   with k = 0 with probability p, else 1

    for node i, irrep c and its components m, so that the mean of y is x. The mask does not depend on m: an irrep is kept or lost as
    a whole.

    Args:
        irreps: irreps of the input and output.
        p: probability of a zero.
        inplace: whether the result is written to the input tensor.
        scalars_only: whether only 0e are dropped, and everything else is left alone.

    Raises:
        ValueError: for p outside [0, 1], or an input that does not fit.

    Example:
        >>> import torch
        >>> dropout = Dropout("2x0e + 1x1o", p=0.2)
        >>> dropout, dropout(torch.randn(10, 5)).shape
        (Dropout (2x0e+1x1o, p=0.2), torch.Size([10, 5]))
        >>> x = torch.randn(10, 5)
        >>> torch.equal(dropout.eval()(x), x)
        True

    Reference: Srivastava et al. 2014, JMLR 15:1929; one mask per irrep as in e3nn.nn.Dropout.
    """

    def __init__(self, irreps: Irreps | str, p: float = 0.5, inplace: bool = False, scalars_only: bool = False) -> None:
        super().__init__(irreps, p, inplace)
        self.scalars_only = scalars_only

    def extra_repr(self) -> str:
        return super().extra_repr() + (", scalars_only=True" if self.scalars_only else "")

    def drop(self, x: Tensor, nodes: Nodes) -> Tensor:
        gain = 1 / (1 - self.p) if self.p < 1 else 0.0
        if not self.scalars_only:
            return x * nodes.spread(self.layout.to_columns(self.draw(nodes, self.layout.num_copies, x) * gain))
        draws = self.draw(nodes, self.layout.num_scalars, x) * gain
        factors = draws.new_ones(len(draws), self.layout.dim).index_copy(1, self.layout.scalar_columns, draws)
        return x * nodes.spread(factors)
