"""Stochastic depth: whole rows are dropped."""

from torch import Tensor

from eqgraph.nn.norm.nodes import Nodes
from eqgraph.o3 import Irreps

from .random_mask import RandomMask


class DropPath(RandomMask):
    """Set whole nodes to zero at random, and scale up those kept, in training: x + DropPath(f(x)) skips f now and then.

    y[i] = x[i] · k[i] / (1 - p)   with k = 0 with probability p, else 1

    Args:
        irreps: irreps of the input and output.
        p: probability of a zero.
        inplace: whether the result is written to the input tensor.

    Raises:
        ValueError: for p outside [0, 1], or an input that does not fit.

    Example:
        >>> import torch
        >>> drop = DropPath("2x0e + 1x1o", p=0.5)
        >>> y = drop(torch.ones(10, 5))
        >>> torch.equal(y, y[:, :1].expand(10, 5))
        True

    Reference: Huang et al. 2016, arXiv:1603.09382.
    """

    def __init__(self, irreps: Irreps | str, p: float = 0.0, inplace: bool = False) -> None:
        super().__init__(irreps, p, inplace)

    def drop(self, x: Tensor, nodes: Nodes) -> Tensor:
        gain = 1 / (1 - self.p) if self.p < 1 else 0.0
        return x * nodes.spread(self.draw(nodes, 1, x) * gain)


class GraphDropPath(DropPath):
    """Set whole graphs to zero at random, and scale up those kept, in training.

    y[i] = x[i] · k[g(i)] / (1 - p)   with k = 0 with probability p, else 1

    Args:
        irreps: irreps of the input and output.
        p: probability of a zero.
        inplace: whether the result is written to the input tensor.

    Raises:
        ValueError: for p outside [0, 1], or an input that does not fit.

    Example:
        >>> import torch
        >>> drop = GraphDropPath("2x0e + 1x1o", p=0.5)
        >>> y = drop(torch.ones(4, 5), batch=torch.tensor([0, 0, 1, 1]))
        >>> torch.equal(y[0], y[1]), torch.equal(y[2], y[3])
        (True, True)

    Reference: Huang et al. 2016, arXiv:1603.09382; one path per graph as in Equiformer (Liao & Smidt 2022, arXiv:2206.11990).
    """

    per_graph = True
