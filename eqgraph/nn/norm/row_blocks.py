"""Functions of the features of nodes in few passes over the memory."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

BLOCK = 2**19
"""How many numbers a block of rows has: 2 MB in float32."""


def row_blocks(x: Tensor) -> tuple[Tensor, ...]:
    """Views of successive rows of x that fit into the cache; of a GPU, all rows.

    Example:
        >>> [len(rows) for rows in row_blocks(torch.zeros(1000, 2**10))]
        [512, 488]
    """
    return x.split(max(1, BLOCK // max(x.shape[1], 1))) if x.device.type == "cpu" else (x,)


def in_row_blocks(
    function: Callable[..., Tensor],
    x: Tensor,
    *parameters: Tensor | None,
    gradient: Callable[..., Sequence[Tensor | None]] | None = None,
    index: Tensor | None = None,
) -> Tensor:
    """function(x, *parameters), where each row of the result depends on that row of x alone and has its shape.

    The features of many nodes do not fit into the cache, and a formula of ten steps carries them to and from the memory ten times. Here
    some rows go through all steps before the next ones do; so do they in the gradient, for which nothing but x is kept. A gradient that
    will be differentiated itself is taken of all rows at once.

    Args:
        function: of rows and the parameters.
        x: (rows, columns).
        parameters: None for those that are not there.
        gradient: of the result, x and the parameters -> of x and each parameter, None for those that are not there, in fewer steps
            than autograd's; None: that of autograd.
        index: (rows,) integers, of which function and gradient are given those of their rows, after the parameters; None: they are
            given none.

    Example:
        >>> in_row_blocks(lambda rows, weight: rows * weight, torch.ones(2, 3), torch.tensor([1.0, 2.0, 3.0]))
        tensor([[1., 2., 3.],
                [1., 2., 3.]])
    """
    further = () if index is None else (index,)
    is_one_block = x.device.type != "cpu" or x.numel() <= BLOCK
    if torch.compiler.is_compiling() or (is_one_block and gradient is None):
        return function(x, *parameters, *further)
    rows = len(x) if is_one_block else max(1, BLOCK // x.shape[1])
    return _RowBlocks.apply(function, gradient or _Autograd(function), rows, index, x, *parameters)


class _RowBlocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, function, gradient, rows, index, x, *parameters):
        ctx.function, ctx.gradient, ctx.rows = function, gradient, rows
        ctx.save_for_backward(index, x, *parameters)
        if rows >= len(x):
            return function(x, *parameters, *_further(index, 0, rows))
        out = torch.empty_like(x)
        for start in range(0, len(x), rows):
            results = function(x[start : start + rows], *parameters, *_further(index, start, rows))
            out[start : start + rows] = results
        return out

    @staticmethod
    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def backward(ctx, g):
        index, *tensors = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody will differentiate the gradient: let autograd derive it
            inputs = [None if tensor is None else tensor.view_as(tensor) for tensor in tensors]
            further = _further(index, 0, len(g))
            return None, None, None, None, *gradients(ctx.function, g, inputs, further, create_graph=True)
        x, *parameters = (None if tensor is None else tensor.detach() for tensor in tensors)
        wanted = ctx.needs_input_grad[4:]
        for tensor, want in zip(parameters, wanted[1:], strict=True):
            if want:
                tensor.requires_grad_()
        of_x = torch.empty_like(x) if wanted[0] else None
        totals: list[Tensor | None] = [None] * len(parameters)
        for start in range(0, len(x), ctx.rows):
            block = slice(start, start + ctx.rows)
            rows = x[block].detach().requires_grad_(wanted[0])
            of_rows, *found = ctx.gradient(g[block], rows, *parameters, *_further(index, start, ctx.rows))
            if of_x is not None:
                of_x[block] = of_rows
            for number, (gradient, want) in enumerate(zip(found, wanted[1:], strict=True)):
                if want and gradient is not None:
                    totals[number] = gradient if totals[number] is None else totals[number].add_(gradient)
        return None, None, None, None, of_x, *totals


def _further(index: Tensor | None, start: int, rows: int) -> tuple[Tensor, ...]:
    return () if index is None else (index[start : start + rows],)


class _Autograd:
    """The gradient that autograd finds."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self.function = function

    def __call__(self, g: Tensor, *inputs: Tensor | None) -> list[Tensor | None]:
        differentiable = [tensor for tensor in inputs if tensor is None or tensor.is_floating_point()]
        further = inputs[len(differentiable) :]
        return gradients(self.function, g, differentiable, further, create_graph=False)


def gradients(
    function: Callable[..., Tensor],
    g: Tensor,
    inputs: Sequence[Tensor | None],
    further: Sequence[Tensor],
    create_graph: bool,
) -> list[Tensor | None]:
    """Of those inputs that require one."""
    wanted = [tensor is not None and tensor.requires_grad for tensor in inputs]
    with torch.enable_grad():
        chosen = [tensor for tensor, want in zip(inputs, wanted, strict=True) if want]
        found = iter(
            torch.autograd.grad(function(*inputs, *further), chosen, g, create_graph=create_graph, allow_unused=True)
        )
    return [next(found) if want else None for want in wanted]
