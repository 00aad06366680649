"""Formulas that have compiled kernels."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from eqgraph.ops.backend import choose_backend
from eqgraph.ops.library import is_transformed

from .row_blocks import gradients


def by_kernels(
    formula: Callable[..., Tensor],
    value: Callable[..., Tensor],
    gradient: Callable[..., Sequence[Tensor | None]],
    *tensors: Tensor | None,
) -> Tensor:
    """formula(*tensors), by kernels where there are any: for float32 and float64 on the CPU, if nobody traces the program.

    Kernels compute the value and its gradient; the gradient of that is the formula's.

    Args:
        formula: in plain PyTorch.
        value: the same by a kernel.
        gradient: (gradient of the value, *tensors) -> gradients of the tensors by a kernel, None for those that are not there.
        tensors: the first one is of features.

    Example:
        >>> x = torch.tensor([[3.0]], requires_grad=True)
        >>> torch.autograd.grad(by_kernels(torch.square, torch.square, lambda g, x: (2 * x * g,), x), x)
        (tensor([[6.]]),)
    """
    if not has_kernels(tensors[0]):
        return formula(*tensors)
    tensors = tuple(None if tensor is None else tensor.contiguous() for tensor in tensors)
    return _ByKernels.apply(formula, value, gradient, *tensors)


def has_kernels(x: Tensor) -> bool:
    """Whether these features are computed on by kernels."""
    if torch.compiler.is_compiling() or x.device.type != "cpu" or not x.numel() or is_transformed((x,)):
        return False
    return choose_backend("auto", x.device, x.dtype).name == "cpu"


class _ByKernels(torch.autograd.Function):
    @staticmethod
    def forward(ctx, formula, value, gradient, *tensors):
        ctx.save_for_backward(*tensors)
        ctx.formula, ctx.gradient = formula, gradient
        return value(*tensors)

    @staticmethod
    @torch.autocast("cpu", enabled=False)
    def backward(ctx, g):
        tensors = ctx.saved_tensors
        if not torch.is_grad_enabled() and not is_transformed((g,)):
            return None, None, None, *ctx.gradient(g.contiguous(), *tensors)
        inputs = [None if tensor is None else tensor.view_as(tensor) for tensor in tensors]
        return None, None, None, *gradients(ctx.formula, g, inputs, (), create_graph=torch.is_grad_enabled())
