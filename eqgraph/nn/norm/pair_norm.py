"""Pair normalization: the distances between the nodes of a graph keep their size."""

from torch import Tensor

from eqgraph.o3 import Irreps

from .nodes import Nodes
from .norm import Norm


class PairNorm(Norm):
    """Center each graph, of irreps of every kind, and divide by the root mean square norm of its rows, against oversmoothing.

    y_i = scale · (x_i - μ_g) / sqrt(mean_{j ∈ g} |x_j - μ_g|² + ε)

    with |x| the norm of a whole row. The mean of the squared distances between the rows of a graph is then 2 scale².

    Args:
        irreps: irreps of the input and output.
        scale: root mean square norm of the rows of the output.
        scale_individually: whether each row is divided by its own norm instead, sqrt(|x_i - μ_g|² + ε).
        eps: ε, inside the square root: the output is smooth where all nodes of a graph are alike.

    Raises:
        ValueError: for an input that does not fit.

    Example:
        >>> import torch
        >>> norm = PairNorm("2x0e + 1x1o")
        >>> y = norm(torch.randn(10, 5))
        >>> norm, round(y.square().sum(1).mean().item(), 4)
        (PairNorm (2x0e+1x1o, scale=1.0, eps=1e-05), 1.0)

    Reference: Zhao & Akoglu 2019, arXiv:1909.12223; torch_geometric.nn.PairNorm except that ε is inside the root in both modes.
    """

    def __init__(
        self, irreps: Irreps | str, scale: float = 1.0, scale_individually: bool = False, eps: float = 1e-5
    ) -> None:
        super().__init__(irreps)
        self.scale, self.scale_individually, self.eps = scale, scale_individually, eps

    def extra_repr(self) -> str:
        individually = ", scale_individually=True" if self.scale_individually else ""
        return f"scale={self.scale}{individually}, eps={self.eps}"

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        centred = x - nodes.spread(nodes.graph_average(x))
        squares = centred.square().sum(1, keepdim=True)
        if not self.scale_individually:
            squares = nodes.spread(nodes.graph_average(squares))
        return centred * (self.scale * (squares + self.eps).rsqrt())
