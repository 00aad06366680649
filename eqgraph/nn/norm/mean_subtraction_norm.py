"""Subtraction of the mean over a graph."""

from torch import Tensor

from .nodes import Nodes
from .norm import Norm


class MeanSubtractionNorm(Norm):
    """Subtract the mean over the nodes of each graph, of irreps of every kind: the mean turns with its graph.

    y_i = x_i - μ_{g(i)}

    Args:
        irreps: irreps of the input and output.

    Raises:
        ValueError: for an input that does not fit.

    Example:
        >>> import torch
        >>> norm = MeanSubtractionNorm("2x0e + 1x1o")
        >>> norm(torch.tensor([[1.0, 2.0, 0.0, 1.0, 0.0], [3.0, 2.0, 0.0, 3.0, 4.0]]))
        tensor([[-1.,  0.,  0., -1., -2.],
                [ 1.,  0.,  0.,  1.,  2.]])

    Reference: Yang et al. 2020, arXiv:2003.13663; as in torch_geometric.nn.MeanSubtractionNorm.
    """

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        return x - nodes.spread(nodes.graph_average(x))
