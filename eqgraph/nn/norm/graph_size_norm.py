"""Division by the square root of the size of a graph."""

from torch import Tensor

from .nodes import Nodes
from .norm import Norm


class GraphSizeNorm(Norm):
    """Divide by the square root of the number of nodes of the graph.

    y_i = x_i / sqrt(N_{g(i)})

    N counts the nodes that are not masked. A sum over nodes of y then has a spread that does not depend on the size of the graph, and
    for that reason energies made of y are not extensive.

    Args:
        irreps: irreps of the input and output.

    Raises:
        ValueError: for an input that does not fit.

    Example:
        >>> import torch
        >>> norm = GraphSizeNorm("1x0e")
        >>> norm(torch.ones(5, 1), batch=torch.tensor([0, 0, 0, 0, 1])).flatten()
        tensor([0.5000, 0.5000, 0.5000, 0.5000, 1.0000])

    Reference: Dwivedi et al. 2020, arXiv:2003.00982; as in torch_geometric.nn.GraphSizeNorm.
    """

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        return x * nodes.spread(nodes.graph_count(x).clamp(min=1).rsqrt())  # nobody looks at empty graphs
