"""Normalization of each row by its own statistics, in few passes over the features."""

import functools

import torch
from torch import Tensor

from eqgraph.ops.library import devices

from .by_kernels import by_kernels
from .groups import Groups
from .row_blocks import in_row_blocks


def standardize_rows(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    groups: Groups,
    eps: float,
    types: Tensor | None = None,
) -> Tensor:
    """y = (x - μ) / sqrt(σ² + eps) · weight + bias, with means μ and mean squares σ² over the columns of a row that share them.

    Args:
        x: (nodes, dim) features.
        weight: (dim,), or with types (num_types, dim); None: one.
        bias: (dim,), or with types (num_types, dim); None: zero.
        groups: of columns that share a mean and a mean square.
        eps: added to σ².
        types: (nodes,) int64, which weight and bias a row has; None: all have the same.

    Example:
        >>> standardize_rows(torch.tensor([[1.0, 3.0, 5.0]]), None, None, Groups("2x0e + 1x0o", [1, 1]), 0.0)
        tensor([[-1.,  1.,  1.]])
    """
    options = {"groups": groups, "eps": eps}
    index = None if types is None else types.contiguous().long()

    def formula(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        function, gradient = (functools.partial(which, **options) for which in (_standardized, _gradient))
        return in_row_blocks(function, x, weight, bias, gradient=gradient, index=index)

    def value(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        return devices(x).row_norm(x, weight, bias, index, groups.row_norm(eps))

    def gradient(g: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> tuple[Tensor | None, ...]:
        return devices(x).row_norm_backward(g, x, weight, bias, index, groups.row_norm(eps))

    return by_kernels(formula, value, gradient, x, weight, bias)


def _standardized(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    index: Tensor | None = None,
    *,
    groups: Groups,
    eps: float,
) -> Tensor:
    weight, bias = _of_rows(weight, index), _of_rows(bias, index)
    centred = groups.centred(x)
    factors = groups.to_columns((groups.mean_square(centred.square()) + eps).rsqrt())
    if weight is not None:
        factors = factors * weight
    return centred * factors if bias is None else torch.addcmul(bias, centred, factors)


@torch.no_grad()
def _gradient(
    g: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    index: Tensor | None = None,
    *,
    groups: Groups,
    eps: float,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """With c = x - μ, r = 1 / sqrt(σ² + eps):  y = c r weight + bias,  dσ² = -r³ / 2 Σ g c weight."""
    centred = groups.centred(x)
    scale = (groups.mean_square(centred.square()) + eps).rsqrt()
    factors = groups.to_columns(scale)
    products, of_weight = g * centred, None
    of_bias = None if bias is None else _of_types(g, index, bias)
    if weight is not None:
        of_weight = _of_types(products * factors, index, weight)
        weight = _of_rows(weight, index)
        products.mul_(weight)
        factors.mul_(weight)
    of_square = -groups.to_columns_gradient(products) * scale.pow(3)  # of half of σ²: squares have a factor of two
    of_centred = (g * factors).addcmul_(centred, groups.mean_square_gradient(of_square))
    return groups.centred(of_centred), of_weight, of_bias


def _of_rows(parameter: Tensor | None, index: Tensor | None) -> Tensor | None:
    return parameter if index is None or parameter is None else parameter.index_select(0, index)


def _of_types(gradients: Tensor, index: Tensor | None, parameter: Tensor) -> Tensor:
    """Gradients (rows, dim) of what rows have -> those of the parameter."""
    return gradients.sum(0) if index is None else torch.zeros_like(parameter).index_add_(0, index, gradients)
