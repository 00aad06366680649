"""Multiplication of each irrep by a factor that depends on the sizes of the irreps of its row, in few passes over the features."""

from collections.abc import Callable

import torch
from torch import Tensor

from .layout import Layout, sum_components
from .row_blocks import in_row_blocks


def scale_irreps(
    x: Tensor,
    layout: Layout,
    factors: Callable[..., Tensor],
    *parameters: Tensor | None,
    bias: Tensor | None = None,
    signed: bool = False,
    index: Tensor | None = None,
) -> Tensor:
    """y = x · f(q) + bias, with one number q = |x|² and one factor for each irrep.

    f has the gradient of autograd: it has one column for each irrep. What has one for each component has a gradient in fewer steps.

    Args:
        x: (nodes, dim) features.
        layout: of x.
        factors: f, (rows, num_copies) and the parameters to (rows, num_copies).
        parameters: of f, all that have gradients; None for those that are not there.
        bias: (dim,) of each column; None: zero.
        signed: whether q of a 0e is x itself.
        index: (nodes,) integers, those of the rows given to f after the parameters; None: f is given none.

    Example:
        >>> scale_irreps(torch.tensor([[3.0, 3.0, 4.0, 0.0]]), Layout("1x0e + 1x1o"), torch.sqrt)
        tensor([[ 9., 15., 20.,  0.]])
    """

    bias = None if bias is None else bias.to(x.dtype)

    def function(x: Tensor, bias: Tensor | None, *rest: Tensor | None) -> Tensor:
        scales = factors(_sizes(x, layout, signed), *rest)
        if torch.is_grad_enabled():
            scaled = layout.scaled(x, scales)
            return scaled if bias is None else scaled + bias
        columns = layout.to_columns(scales)
        return columns.mul_(x) if bias is None else torch.addcmul(bias, columns, x)

    def gradient(g: Tensor, x: Tensor, bias: Tensor | None, *rest: Tensor | None) -> list[Tensor | None]:
        x, sizes = x.detach(), _sizes(x.detach(), layout, signed).requires_grad_()
        wanted = [tensor is not None and tensor.requires_grad for tensor in rest[: len(parameters)]]
        with torch.enable_grad():
            scales = factors(sizes, *rest)
            inputs = [sizes, *(tensor for tensor, want in zip(rest, wanted, strict=False) if want)]
            of_sizes, *found = torch.autograd.grad(scales, inputs, _by_copy(g * x, layout), allow_unused=True)
        of_parameters = iter(found)
        of_x = layout.to_columns(2 * of_sizes).mul_(x)
        if signed:
            for columns, copies in _scalars(layout):
                of_x[:, columns] = of_sizes[:, copies]
        return [
            of_x.addcmul_(g, layout.to_columns(scales.detach())),
            None if bias is None else g.sum(0),
            *(next(of_parameters) if want else None for want in wanted),
        ]

    return in_row_blocks(function, x, bias, *parameters, gradient=gradient, index=index)


def _sizes(x: Tensor, layout: Layout, signed: bool) -> Tensor:
    """(rows, dim) -> (rows, num_copies): |x|², or x."""
    return torch.cat(
        [
            block if signed and is_scalar else sum_components(block.square(), dim)
            for block, (_, _, dim, is_scalar) in zip(layout.split(x), layout.blocks, strict=True)
        ],
        1,
    )


def signed_sizes(x: Tensor, layout: Layout) -> Tensor:
    """(rows, dim) -> (rows, num_copies): x of 0e, |x|² of others."""
    return _sizes(x, layout, True)


def lengths(sizes: Tensor, layout: Layout, eps: float) -> Tensor:
    """x of 0e, |x|² of others (rows, num_copies) -> x of 0e, sqrt(|x|² / (2l + 1) + ε) of others.

    Example:
        >>> lengths(torch.tensor([[-2.0, 12.0]]), Layout("1x0e + 1x1o"), 0.0)
        tensor([[-2.,  2.]])
    """
    parts = zip(sizes.split([mul for _, mul, _, _ in layout.blocks], 1), layout.blocks, strict=True)
    return torch.cat([part if is_scalar else (part / dim + eps).sqrt() for part, (_, _, dim, is_scalar) in parts], 1)


def _by_copy(values: Tensor, layout: Layout) -> Tensor:
    """(rows, dim) -> (rows, num_copies): sums over the components of each irrep."""
    blocks = zip(layout.split(values), layout.blocks, strict=True)
    return torch.cat([sum_components(block, dim) for block, (_, _, dim, _) in blocks], 1)


def _scalars(layout: Layout) -> list[tuple[slice, slice]]:
    """The columns and the copies of entries that are 0e."""
    found, copy = [], 0
    for start, mul, _, is_scalar in layout.blocks:
        if is_scalar:
            found.append((slice(start, start + mul), slice(copy, copy + mul)))
        copy += mul
    return found
