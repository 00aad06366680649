"""Functions of one row at a time, for blocks of rows that fit into the cache of a processor."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

BLOCK = 2**18
"""How many numbers a block of rows has: with what is computed on the way, a few MB."""


def in_row_blocks(function: Callable[..., Tensor], x: Tensor, *parameters: Tensor | None) -> Tensor:
    """function(x, *parameters), where each row of the result depends on that row of x alone and has its shape.

    The features of many nodes do not fit into the cache, and a formula of ten steps carries them to and from the memory ten times. Here
    some rows go through all steps before the next ones do; so do they in the gradient, for which nothing but x is kept. A gradient that
    will be differentiated itself is taken of all rows at once.

    Args:
        function: of rows and the parameters.
        x: (rows, columns).
        parameters: None for those that are not there.

    Example:
        >>> in_row_blocks(lambda rows, weight: rows * weight, torch.ones(2, 3), torch.tensor([1.0, 2.0, 3.0]))
        tensor([[1., 2., 3.],
                [1., 2., 3.]])
    """
    if torch.compiler.is_compiling() or x.device.type != "cpu" or x.numel() <= BLOCK:
        return function(x, *parameters)

    def of_tensors(rows: Tensor, *given: Tensor) -> Tensor:
        rest = iter(given)
        return function(rows, *(None if parameter is None else next(rest) for parameter in parameters))

    return _RowBlocks.apply(of_tensors, x, *(parameter for parameter in parameters if parameter is not None))


class _RowBlocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, function, x, *parameters):
        ctx.function = function
        ctx.save_for_backward(x, *parameters)
        out = torch.empty_like(x)
        for rows, result in zip(_blocks(x), _blocks(out), strict=True):
            result.copy_(function(rows, *parameters))
        return out

    @staticmethod
    @torch.autocast("cpu", enabled=False)
    def backward(ctx, g):
        function, wanted = ctx.function, ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():  # somebody will differentiate the gradient: let autograd derive it
            inputs = [tensor.view_as(tensor) for tensor in ctx.saved_tensors]
            return None, *_gradients(function, inputs, wanted, g, create_graph=True)
        x, *parameters = (tensor.detach() for tensor in ctx.saved_tensors)
        found = [
            torch.zeros_like(tensor) if want else None for tensor, want in zip((x, *parameters), wanted, strict=True)
        ]
        into = _blocks(x) if found[0] is None else _blocks(found[0])
        for rows, part, result in zip(_blocks(x), _blocks(g), into, strict=True):
            inputs = [
                tensor.detach().requires_grad_(want) for tensor, want in zip((rows, *parameters), wanted, strict=True)
            ]
            gradients = _gradients(function, inputs, wanted, part, create_graph=False)
            for total, gradient in zip((result, *found[1:]), gradients, strict=True):
                if gradient is not None:
                    total += gradient
        return None, *found


def _blocks(x: Tensor) -> tuple[Tensor, ...]:
    return x.split(max(1, BLOCK // x.shape[1]))


def _gradients(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], wanted: Sequence[bool], g: Tensor, create_graph: bool
) -> list[Tensor | None]:
    """Of those inputs that are wanted."""
    with torch.enable_grad():
        out = function(*inputs)
        chosen = [tensor for tensor, want in zip(inputs, wanted, strict=True) if want]
        found = iter(torch.autograd.grad(out, chosen, g, create_graph=create_graph, allow_unused=True))
    return [next(found) if want else None for want in wanted]
