"""Normalization by statistics of the nodes of each group (graph, type), in few passes over the features."""

import torch
from torch import Tensor

from .columns_of_irreps import ColumnsOfIrreps
from .group_variance import group_averages
from .groups import Groups
from .nodes import Nodes


def standardize_groups(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean_scale: Tensor | None,
    columns: ColumnsOfIrreps | Groups,
    nodes: Nodes,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """y = (x - α μ_g) / sqrt(σ_g² + eps) · weight + bias, with the mean μ_g and the mean square σ_g² of x - α μ_g over the group g.

    Args:
        x: (nodes, dim) features.
        weight: (dim,) or (groups, dim), of columns as all that follow; None: one.
        bias: (dim,) or (groups, dim); None: zero.
        mean_scale: (dim,) α; None: one.
        columns: which columns share a mean and a mean square.
        nodes: the groups are the graphs of these.
        eps: added to σ².

    Returns:
        y, and without gradients μ (groups, dim), zero for columns without a mean, and σ² (groups, statistics).

    Example:
        >>> from eqgraph.nn.norm.layout import Layout
        >>> columns, nodes = ColumnsOfIrreps(Layout("1x0e"), "component"), Nodes(2, None, 1, None)
        >>> standardize_groups(torch.tensor([[1.0], [3.0]]), None, None, None, columns, nodes, 0.0)
        (tensor([[-1.], [ 1.]]), tensor([[2.]]), tensor([[1.]]))
    """
    weight = x.new_ones(1, x.shape[1]) if weight is None else torch.atleast_2d(weight.to(x.dtype))
    bias = x.new_zeros(1, x.shape[1]) if bias is None else torch.atleast_2d(bias.to(x.dtype))
    mean_scale = x.new_ones(x.shape[1]) if mean_scale is None else mean_scale.to(x.dtype)
    if torch.compiler.is_compiling():
        y, mean, variance = _standardized(x, weight, bias, mean_scale, columns, nodes, eps)
        return y, mean.detach(), variance.detach()
    return _StandardizeGroups.apply(x, weight, bias, mean_scale, columns, nodes, eps)


def _standardized(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean_scale: Tensor,
    columns: ColumnsOfIrreps | Groups,
    nodes: Nodes,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    mean = columns.mean(nodes.graph_average(x))
    centred = x - nodes.spread(mean * mean_scale)
    variance = columns.mean_square(nodes.graph_average(centred.square()))
    factors = nodes.spread(columns.to_columns((variance + eps).rsqrt()) * weight)
    return torch.addcmul(nodes.spread_if_many(bias), centred, factors), mean, variance


class _StandardizeGroups(torch.autograd.Function):
    """The same by blocks of rows that fit into the cache, and so its gradient.

    Autograd's own gradient of the formula takes several times as many passes over the features.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, mean_scale, columns, nodes, eps):
        average, squares = group_averages(x, mean_scale, columns, nodes)
        mean, variance = columns.mean(average), columns.mean_square(squares)
        shift = mean * mean_scale
        factors = columns.to_columns((variance + eps).rsqrt()) * weight
        y = torch.empty_like(x)
        for block, rows, out in nodes.row_blocks(x, y):
            torch.sub(rows, block.spread(shift), out=out)
            out.mul_(block.spread(factors)).add_(block.spread_if_many(bias))
        ctx.save_for_backward(x, weight, bias, mean_scale, average, variance)
        ctx.columns, ctx.nodes, ctx.eps = columns, nodes, eps
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx, g, _mean, _variance):
        x, weight, bias, mean_scale, average, variance = ctx.saved_tensors
        columns, nodes, eps = ctx.columns, ctx.nodes, ctx.eps
        if torch.is_grad_enabled():  # somebody will differentiate the gradient: let autograd derive it
            inputs = [tensor.view_as(tensor) for tensor in (x, weight, bias, mean_scale)]
            wanted = [tensor for tensor in inputs if tensor.requires_grad]
            y, _, _ = _standardized(*inputs, columns, nodes, eps)
            found = iter(torch.autograd.grad(y, wanted, g, create_graph=True))
            return (*(next(found) if tensor.requires_grad else None for tensor in inputs), None, None, None)
        # with c = x - α μ, r = 1 / sqrt(σ² + eps), f = r weight:  y = c f + bias,  dσ² = -r³ / 2 Σ g c weight
        number = nodes.graph_count(x).clamp(min=1)
        mean, scale = columns.mean(average), (variance + eps).rsqrt()
        shift, spread_scale = mean * mean_scale, columns.to_columns(scale)
        factors = spread_scale * weight
        sums, products = torch.zeros_like(average), torch.zeros_like(average)
        for block, rows, slopes in nodes.row_blocks(x, g):
            block.add_graph_total(sums, slopes)
            block.add_graph_total(products, (rows - block.spread(shift)).mul_(slopes))
        of_variance = -columns.to_columns_gradient(products * weight) * scale.pow(
            3
        )  # of half of it: squares have a factor of two
        slope = columns.mean_square_gradient(of_variance) / number
        of_mean = -(sums * factors + number * (average - shift) * slope)
        of_rows = columns.mean(of_mean * mean_scale) / number  # the mean is a projection, so its own transpose
        gx = torch.empty_like(x)
        for block, rows, slopes, out in nodes.row_blocks(x, g, gx):
            torch.mul(slopes, block.spread(factors), out=out)
            out.addcmul_(rows - block.spread(shift), block.spread(slope)).add_(block.spread(of_rows))
        return (
            gx,
            (products * spread_scale).sum_to_size(weight.shape),
            sums.sum_to_size(bias.shape),
            (of_mean * mean).sum(0),
            None,
            None,
            None,
        )
