"""Functions of the features of nodes in few passes over the memory."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

BLOCK = 2**19
"""How many numbers a block of rows has: 2 MB in float32."""


def row_blocks(x: Tensor) -> tuple[Tensor, ...]:
    """Views of successive rows of x that fit into the cache.

    Example:
        >>> [len(rows) for rows in row_blocks(torch.zeros(1000, 2**10))]
        [512, 488]
    """
    return x.split(max(1, BLOCK // max(x.shape[1], 1)))


def in_row_blocks(
    function: Callable[..., Tensor],
    x: Tensor,
    *parameters: Tensor | None,
    gradient: Callable[..., Sequence[Tensor | None]] | None = None,
) -> Tensor:
    """function(x, *parameters), where each row of the result depends on that row of x alone and has its shape.

    The features of many nodes do not fit into the cache, and a formula of ten steps carries them to and from the memory ten times. Here
    some rows go through all steps before the next ones do; so do they in the gradient, for which nothing but x is kept. A gradient that
    will be differentiated itself is taken of all rows at once.

    Args:
        function: of rows and the parameters.
        x: (rows, columns).
        parameters: None for those that are not there.
        gradient: see with_gradient; None: that of autograd.

    Example:
        >>> in_row_blocks(lambda rows, weight: rows * weight, torch.ones(2, 3), torch.tensor([1.0, 2.0, 3.0]))
        tensor([[1., 2., 3.],
                [1., 2., 3.]])
    """
    is_one_block = x.device.type != "cpu" or x.numel() <= BLOCK
    if torch.compiler.is_compiling() or (is_one_block and gradient is None):
        return function(x, *parameters)
    rows = len(x) if is_one_block else max(1, BLOCK // x.shape[1])
    return _RowBlocks.apply(function, gradient or _Autograd(function), rows, x, *parameters)


def with_gradient(
    function: Callable[..., Tensor],
    gradient: Callable[..., Sequence[Tensor | None]],
    x: Tensor,
    *parameters: Tensor | None,
) -> Tensor:
    """function(x, *parameters), of the shape of x, with a gradient that has fewer steps than the one that autograd finds.

    A gradient that will be differentiated itself is that of autograd.

    Args:
        function: of x and the parameters.
        gradient: of the result, x and the parameters -> of x and each parameter, None for those that are not there.
        x: (rows, columns).
        parameters: None for those that are not there.

    Example:
        >>> x = torch.ones(2, 2, requires_grad=True)
        >>> with_gradient(lambda x: 2 * x, lambda g, x: (2 * g,), x).sum().backward()
        >>> x.grad
        tensor([[2., 2.],
                [2., 2.]])
    """
    if torch.compiler.is_compiling():
        return function(x, *parameters)
    return _RowBlocks.apply(function, gradient, len(x), x, *parameters)


class _RowBlocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, function, gradient, rows, x, *parameters):
        ctx.function, ctx.gradient, ctx.rows = function, gradient, rows
        ctx.save_for_backward(x, *parameters)
        if rows >= len(x):
            return function(x, *parameters)
        out = torch.empty_like(x)
        for block, result in zip(x.split(rows), out.split(rows), strict=True):
            result.copy_(function(block, *parameters))
        return out

    @staticmethod
    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def backward(ctx, g):
        if torch.is_grad_enabled():  # somebody will differentiate the gradient: let autograd derive it
            inputs = [None if tensor is None else tensor.view_as(tensor) for tensor in ctx.saved_tensors]
            return None, None, None, *_gradients(ctx.function, g, inputs, create_graph=True)
        x, *parameters = (None if tensor is None else tensor.detach() for tensor in ctx.saved_tensors)
        wanted = ctx.needs_input_grad[3:]
        for tensor, want in zip(parameters, wanted[1:], strict=True):
            if want:
                tensor.requires_grad_()
        if ctx.rows >= len(x):
            found = ctx.gradient(g, x.requires_grad_(wanted[0]), *parameters)
            return None, None, None, *(gradient if want else None for gradient, want in zip(found, wanted, strict=True))
        of_x = torch.empty_like(x)
        totals = [
            torch.zeros_like(tensor) if want else None for tensor, want in zip(parameters, wanted[1:], strict=True)
        ]
        for block, result, of_block in zip(x.split(ctx.rows), of_x.split(ctx.rows), g.split(ctx.rows), strict=True):
            of_rows, *gradients = ctx.gradient(of_block, block.detach().requires_grad_(wanted[0]), *parameters)
            if wanted[0]:
                result.copy_(of_rows)
            for total, gradient in zip(totals, gradients, strict=True):
                if total is not None:
                    total += gradient
        return None, None, None, of_x if wanted[0] else None, *totals


class _Autograd:
    """The gradient that autograd finds."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self.function = function

    def __call__(self, g: Tensor, *inputs: Tensor | None) -> list[Tensor | None]:
        return _gradients(self.function, g, inputs, create_graph=False)


def _gradients(
    function: Callable[..., Tensor], g: Tensor, inputs: Sequence[Tensor | None], create_graph: bool
) -> list[Tensor | None]:
    """Of those inputs that require one."""
    wanted = [tensor is not None and tensor.requires_grad for tensor in inputs]
    with torch.enable_grad():
        chosen = [tensor for tensor, want in zip(inputs, wanted, strict=True) if want]
        found = iter(torch.autograd.grad(function(*inputs), chosen, g, create_graph=create_graph, allow_unused=True))
    return [next(found) if want else None for want in wanted]
