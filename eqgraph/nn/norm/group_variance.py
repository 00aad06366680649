"""Statistics of the nodes of each group (graph, type), in few passes over the features."""

import torch
from torch import Tensor

from .columns_of_irreps import ColumnsOfIrreps
from .groups import Groups
from .nodes import Nodes


def group_variance(x: Tensor, columns: ColumnsOfIrreps | Groups, nodes: Nodes) -> tuple[Tensor, Tensor]:
    """Means μ over the columns and the nodes of a graph that share them, and the mean squares of x - μ.

    Args:
        x: (nodes, dim) features.
        columns: which columns share a mean and a mean square.
        nodes: the groups are the graphs of these.

    Returns:
        μ (graphs, dim), zero for columns without a mean, and σ² (graphs, statistics).

    Example:
        >>> nodes = Nodes(2, None, 1, None)
        >>> group_variance(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), Groups("1x0e + 1x0o", [1, 1]), nodes)
        (tensor([[2., 0.]]), tensor([[10.,  1.]]))
    """
    if torch.compiler.is_compiling():
        return _variance(x, columns, nodes)
    return _GroupVariance.apply(x, columns, nodes)


def group_averages(
    x: Tensor, mean_scale: Tensor | float, columns: ColumnsOfIrreps | Groups, nodes: Nodes
) -> tuple[Tensor, Tensor]:
    """(graphs, dim) averages of x, and mean squares of x - α μ; without gradients, by blocks of rows that fit into the cache."""
    number = nodes.graph_count(x).clamp(min=1)
    totals = x.new_zeros(nodes.num_graphs, x.shape[1])
    for block, rows in nodes.row_blocks(x):
        block.add_graph_total(totals, rows)
    average = totals / number
    shift = columns.mean(average) * mean_scale
    squares = torch.zeros_like(totals)
    for block, rows in nodes.row_blocks(x):
        block.add_graph_total(squares, (rows - block.spread(shift)).square_())
    return average, squares / number


def _variance(x: Tensor, columns: ColumnsOfIrreps | Groups, nodes: Nodes) -> tuple[Tensor, Tensor]:
    mean = columns.mean(nodes.graph_average(x))
    return mean, columns.mean_square(nodes.graph_average((x - nodes.spread(mean)).square()))


class _GroupVariance(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, columns, nodes):
        average, squares = group_averages(x, 1.0, columns, nodes)
        mean = columns.mean(average)
        ctx.save_for_backward(x, mean)
        ctx.columns, ctx.nodes = columns, nodes
        return mean, columns.mean_square(squares)

    @staticmethod
    def backward(ctx, of_mean, of_variance):
        x, mean = ctx.saved_tensors
        columns, nodes = ctx.columns, ctx.nodes
        if torch.is_grad_enabled():  # somebody will differentiate the gradient: let autograd derive it
            x = x.view_as(x)
            found = torch.autograd.grad(_variance(x, columns, nodes), x, (of_mean, of_variance), create_graph=True)
            return *found, None, None
        # σ² does not change with μ, deviations from which sum up to zero
        number = nodes.graph_count(x).clamp(min=1)
        slope, gx = 2 * columns.mean_square_gradient(of_variance) / number, torch.empty_like(x)
        shift = columns.mean(of_mean) / number - mean * slope
        for block, rows, out in nodes.row_blocks(x, gx):
            torch.addcmul(block.spread(shift), rows, block.spread(slope), out=out)
        return gx, None, None
