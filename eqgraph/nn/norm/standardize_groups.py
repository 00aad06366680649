"""Normalization by the statistics of the group (graph, type) of each node, with a gradient in few passes over the features."""

from typing import NamedTuple

import torch
from torch import Tensor

from .layout import Layout
from .nodes import Nodes


class Partition(NamedTuple):
    """Whose statistics are taken, and how."""

    nodes: Nodes
    """The groups are the graphs of these."""
    layout: Layout
    """Of the features."""
    normalization: str
    """"component" or "norm"."""
    centre_all: bool
    """Whether there are means of all columns, not only of 0e."""
    eps: float
    """Added to variances."""

    def centred_columns(self, x: Tensor) -> Tensor:
        """(nodes, dim) -> (nodes, centred): columns that have a mean."""
        return x if self.centre_all else x.index_select(1, self.layout.scalar_columns)

    def to_columns(self, values: Tensor) -> Tensor:
        """(..., centred) -> (..., dim): zero for columns without a mean."""
        return values if self.centre_all else self.layout.scalars_to_columns(values)

    def sum_columns(self, values: Tensor) -> Tensor:
        """(groups, dim) -> (groups, num_copies): the plain sum over the components of each irrep."""
        return self.layout.sum_columns(values, "norm")

    def rows(self, values: Tensor) -> Tensor:
        """(groups or 1, columns) -> (nodes or 1, columns)."""
        return values if len(values) == 1 else self.nodes.spread(values)


def standardize_groups(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean_scale: Tensor | None, groups: Partition
) -> tuple[Tensor, Tensor, Tensor]:
    """y = (x - α μ_g) / sqrt(σ_g² + eps) · weight + bias, with the mean μ_g and the mean power σ_g² of x - α μ_g over the group g.

    Args:
        x: (nodes, dim) features.
        weight: (num_copies,) or (groups, num_copies); None: one.
        bias: (num_scalars,) or (groups, num_scalars); None: zero.
        mean_scale: (centred,) α; None: one.
        groups: of the nodes.

    Returns:
        y, and without gradients μ (groups, centred) and σ² (groups, num_copies).

    Example:
        >>> groups = Partition(Nodes(2, None, 1, None), Layout("1x0e"), "component", False, 0.0)
        >>> standardize_groups(torch.tensor([[1.0], [3.0]]), None, None, None, groups)
        (tensor([[-1.], [ 1.]]), tensor([[2.]]), tensor([[1.]]))
    """
    layout = groups.layout
    weight = x.new_ones(1, layout.num_copies) if weight is None else weight.to(x.dtype)
    bias = x.new_zeros(1, layout.num_scalars) if bias is None else bias.to(x.dtype)
    if mean_scale is None:
        mean_scale = x.new_ones(layout.dim if groups.centre_all else layout.num_scalars)
    tensors = (x, torch.atleast_2d(weight), torch.atleast_2d(bias), mean_scale.to(x.dtype))
    if torch.compiler.is_compiling():
        y, mean, variance = _standardized(*tensors, groups)
        return y, mean.detach(), variance.detach()
    return _StandardizeGroups.apply(*tensors, groups)


def _standardized(
    x: Tensor, weight: Tensor, bias: Tensor, mean_scale: Tensor, groups: Partition
) -> tuple[Tensor, Tensor, Tensor]:
    layout, nodes = groups.layout, groups.nodes
    mean = nodes.graph_average(groups.centred_columns(x))
    centred = x - groups.rows(groups.to_columns(mean * mean_scale))
    variance = layout.sum_columns(nodes.graph_average(centred.square()), groups.normalization)
    factors = groups.rows(layout.to_columns((variance + groups.eps).rsqrt() * weight))
    return torch.addcmul(groups.rows(layout.scalars_to_columns(bias)), centred, factors), mean, variance


class _StandardizeGroups(torch.autograd.Function):
    """Autograd's own gradient of the formula takes about twice as many passes over the features as this one."""

    @staticmethod
    def forward(ctx, x, weight, bias, mean_scale, groups):
        y, mean, variance = _standardized(x, weight, bias, mean_scale, groups)
        ctx.save_for_backward(x, weight, bias, mean_scale, mean, variance)
        ctx.groups = groups
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx, g, _mean, _variance):
        x, weight, bias, mean_scale, mean, variance = ctx.saved_tensors
        groups = ctx.groups
        if torch.is_grad_enabled():  # somebody will differentiate the gradient: let autograd derive it
            inputs = [tensor.view_as(tensor) for tensor in (x, weight, bias, mean_scale)]
            wanted = [tensor for tensor in inputs if tensor.requires_grad]
            y, _, _ = _standardized(*inputs, groups)
            found = iter(torch.autograd.grad(y, wanted, g, create_graph=True))
            return (*(next(found) if tensor.requires_grad else None for tensor in inputs), None)
        # with c = x - α μ, r = 1 / sqrt(σ² + eps), f = r weight:  y = c f + bias,  dσ² = -r³ weight / 2 Σ g c
        layout, nodes = groups.layout, groups.nodes
        number = nodes.graph_count(x).clamp(min=1)
        scale = (variance + groups.eps).rsqrt()
        factors = layout.to_columns(scale * weight)
        centred = x - groups.rows(groups.to_columns(mean * mean_scale))
        products = groups.sum_columns(nodes.graph_total(g * centred))
        share = 1 if groups.normalization == "norm" else 1 / layout.dim_of_copy.to(x.dtype)
        slope = layout.to_columns(-products * weight * scale.pow(3) * share) / number
        # the sum of c over a group is what α leaves of the mean
        sums = nodes.graph_total(groups.centred_columns(g))
        rest = number * mean * (1 - mean_scale)
        of_mean = -(sums * groups.centred_columns(factors) + rest * groups.centred_columns(slope))
        gx = torch.addcmul(groups.rows(groups.to_columns(of_mean * mean_scale / number)), g, groups.rows(factors))
        gx = gx.addcmul_(centred, groups.rows(slope))
        gbias = sums.index_select(1, layout.scalar_columns) if groups.centre_all else sums
        return (
            gx,
            (products * scale).sum_to_size(weight.shape),
            gbias.sum_to_size(bias.shape),
            (of_mean * mean).sum(0),
            None,
        )
