"""Batch normalization of all columns at once, with a gradient in few passes over the features."""

from typing import NamedTuple

import torch
from torch import Tensor

from .row_blocks import row_blocks


class Columns(NamedTuple):
    """What the columns of the features are."""

    is_scalar: Tensor
    """(dim,) ones for columns of 0e, zeros for others, in the dtype of the features."""
    copy_of_column: Tensor
    """(dim,) the irrep of each column."""
    share: Tensor
    """(dim,) weight of a column's square in the power of its irrep: 1, or 1 / (2l + 1)."""


def standardize(x: Tensor, weight: Tensor, bias: Tensor, columns: Columns, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """y = (x - μ) / sqrt(σ² + eps) · weight + bias, with the mean μ of 0e and the mean power σ² of each irrep over all rows.

    Args:
        x: (nodes, dim) features, at least one row.
        weight: (num_copies,) of the irreps.
        bias: (dim,) of the columns, zero for what is not 0e.
        columns: of x.
        eps: added to σ².

    Returns:
        y, and without gradients μ of all columns (dim,), zero for what is not 0e, and σ² (num_copies,).

    Example:
        >>> columns = Columns(torch.ones(1), torch.tensor([0]), torch.ones(1))
        >>> standardize(torch.tensor([[1.0], [3.0]]), torch.ones(1), torch.zeros(1), columns, 0.0)
        (tensor([[-1.], [ 1.]]), tensor([2.]), tensor([1.]))
    """
    if torch.compiler.is_compiling():
        y, mean, variance = _standardized(x, weight, bias, columns, eps)
        return y, mean.detach(), variance.detach()
    return _Standardize.apply(x, weight, bias, *columns, eps)


def _standardized(
    x: Tensor, weight: Tensor, bias: Tensor, columns: Columns, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    mean = x.mean(0) * columns.is_scalar
    centred = x - mean
    variance = _by_copy(centred.square().mean(0) * columns.share, columns, len(weight))
    return torch.addcmul(bias, centred, _factors(variance, weight, columns, eps)), mean, variance


def _factors(variance: Tensor, weight: Tensor, columns: Columns, eps: float) -> Tensor:
    return ((variance + eps).rsqrt() * weight).index_select(0, columns.copy_of_column)


def _by_copy(values: Tensor, columns: Columns, num_copies: int) -> Tensor:
    return values.new_zeros(num_copies).index_add(0, columns.copy_of_column, values)


class _Standardize(torch.autograd.Function):
    """The same in few passes over the features, by blocks of rows that fit into the cache, and so its gradient.

    Autograd's own gradient of the formula takes about three times as many.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, is_scalar, copy_of_column, share, eps):
        columns = Columns(is_scalar, copy_of_column, share)
        mean = x.mean(0) * is_scalar
        squares = sum((rows - mean).square_().sum(0) for rows in row_blocks(x))
        variance = _by_copy(squares / len(x) * share, columns, len(weight))
        factors = _factors(variance, weight, columns, eps)
        y = torch.empty_like(x)
        for rows, out in zip(row_blocks(x), row_blocks(y), strict=True):
            torch.sub(rows, mean, out=out).mul_(factors).add_(bias)
        ctx.save_for_backward(x, weight, bias, mean, variance, *columns)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx, g, _mean, _variance):
        x, weight, bias, mean, variance, *columns = ctx.saved_tensors
        columns = Columns(*columns)
        if torch.is_grad_enabled():  # somebody will differentiate the gradient: let autograd derive it
            with torch.enable_grad():
                inputs = [tensor.view_as(tensor) for tensor in (x, weight, bias)]
                wanted = [tensor for tensor in inputs if tensor.requires_grad]
                y, _, _ = _standardized(*inputs, columns, ctx.eps)
                found = iter(torch.autograd.grad(y, wanted, g, create_graph=True))
            gradients = [next(found) if tensor.requires_grad else None for tensor in inputs]
            return (*gradients, None, None, None, None)
        # with c = x - μ, r = 1 / sqrt(σ² + eps), f = r weight:  y = c f + bias,  dσ² = -r³ weight / 2 Σ g c
        scale, number = (variance + ctx.eps).rsqrt(), len(x)
        factors = _factors(variance, weight, columns, ctx.eps)
        pairs = zip(row_blocks(x), row_blocks(g), strict=True)
        products = sum((rows - mean).mul_(slopes).sum(0) for rows, slopes in pairs)
        gbias, products = g.sum(0), _by_copy(products, columns, len(weight))
        slope = (-products * weight * scale.pow(3) / number).index_select(0, columns.copy_of_column) * columns.share
        shift = -(gbias * factors * columns.is_scalar) / number
        gx = torch.empty_like(x)
        for rows, slopes, out in zip(row_blocks(x), row_blocks(g), row_blocks(gx), strict=True):
            torch.addcmul(shift, slopes, factors, out=out).addcmul_(rows - mean, slope)
        return gx, products * scale, gbias, None, None, None, None
