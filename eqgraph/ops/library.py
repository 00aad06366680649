"""How operators are registered with PyTorch: kernels, shapes for tracing, derivatives, autocast."""

from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace

import torch
from torch import Tensor

from .edges import SortedEdges
from .paths import PathTable

operators = SimpleNamespace()
"""All operators by name."""

_PLAIN = (Tensor, torch.nn.Parameter)

EDGES = "Tensor index, Tensor order, Tensor ptr, Tensor chunks, Tensor sender_order, Tensor sender_ptr, SymInt num_src, SymInt num_dst"


def define(
    name: str,
    tensors: str,
    num_outputs: int,
    kernel: Callable,
    fake: Callable,
    gradient: Callable,
    others: str = f"{EDGES}, str table",
) -> None:
    """Register `eqgraph::name`, and put `operators.name` in place, which is how this package calls it.

    Args:
        name: of the operator.
        tensors: names of the differentiable arguments, which come first.
        num_outputs: number of tensors that it returns.
        kernel: computes them.
        fake: makes empty ones of the right shape.
        gradient: (saved tensors, other arguments, which gradients are wanted, *gradients of the outputs, None where there is none) ->
            gradients of the tensors.
        others: the other arguments.
    """
    names = tensors.split()
    outputs = "Tensor" if num_outputs == 1 else f"({', '.join(['Tensor'] * num_outputs)})"
    full = f"eqgraph::{name}"
    torch.library.define(full, f"({', '.join(f'Tensor {n}' for n in names)}, {others}) -> {outputs}")
    torch.library.impl(full, ["CPU", "CUDA"])(kernel)
    torch.library.register_fake(full)(fake)
    num_rest = others.count(",") + 1

    def setup_context(ctx, inputs, output) -> None:
        ctx.set_materialize_grads(False)
        saved, rest = inputs[: len(names)], inputs[len(names) :]
        ctx.save_for_backward(*saved, *(value for value in rest if isinstance(value, Tensor)))
        ctx.rest = [None if isinstance(value, Tensor) else value for value in rest]

    def backward(ctx, *gradients):
        saved, kept = ctx.saved_tensors[: len(names)], iter(ctx.saved_tensors[len(names) :])
        rest = [next(kept) if value is None else value for value in ctx.rest]
        if all(g is None for g in gradients):
            return (None,) * (len(names) + num_rest)
        wanted = [_is_wanted(ctx, index) for index in range(len(names))]
        return (*gradient(saved, rest, wanted, *gradients), *[None] * num_rest)

    torch.library.register_autograd(full, backward, setup_context=setup_context)
    for device in ("cpu", "cuda"):
        torch.library.register_autocast(full, device, torch.float32)
    setattr(operators, name, _shortcut(getattr(torch.ops.eqgraph, name), len(names), kernel, setup_context, backward))


def _shortcut(
    operator: Callable, num_tensors: int, kernel: Callable, setup_context: Callable, backward: Callable
) -> Callable:
    """The operator without PyTorch's dispatcher wherever nobody needs to see it.

    Through the dispatcher an operator written in Python takes 50 µs more, and its gradient 100: as long as a kernel on a molecule.
    """

    class Direct(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            setup_context(ctx, inputs, None)
            return kernel(*inputs)

        @staticmethod
        def backward(ctx, *gradients):
            return backward(ctx, *gradients)

    def call(*inputs):
        tensors = inputs[:num_tensors]
        if torch.compiler.is_compiling() or is_transformed(tensors) or torch.autograd._profiler_enabled():
            return operator(*inputs)
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return Direct.apply(*inputs)
        return kernel(*inputs)

    return call


def is_transformed(tensors: Sequence[Tensor]) -> bool:
    """Whether somebody traces, transforms or converts the operators that are called, and has to see them."""
    return (
        any(type(tensor) not in _PLAIN for tensor in tensors)
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._functorch.peek_interpreter_stack() is not None
        or torch._C._get_tracing_state() is not None
        or torch.is_autocast_enabled(tensors[0].device.type)
    )


def _is_wanted(ctx, index: int) -> bool:
    """Whether the gradient of an argument is used; that of forces needs none with respect to the weights."""
    node = ctx.next_functions[index][0]
    if node is None:
        return False
    try:
        return torch._C._will_engine_execute_node(node)
    except RuntimeError:  # PyTorch does not tell for leaves
        return True


def sorted_edges_of(rest: Sequence) -> SortedEdges:
    """The arguments behind the tensors, of operators without a table."""
    return SortedEdges(*rest)


def edges_of(rest: Sequence) -> tuple[SortedEdges, PathTable]:
    """The arguments behind the tensors."""
    *edges, key = rest
    return SortedEdges(*edges), PathTable.from_key(key)


def devices(tensor: Tensor) -> ModuleType:
    """The kernels for the device of a tensor."""
    if tensor.device.type == "cpu":
        from . import cpu as kernels
    else:
        from . import gpu as kernels
    return kernels


def composed_gradient(function: Callable) -> Callable:
    """The gradient of an operator from a function that computes the same by operators that have gradients."""

    def gradient(saved, rest, wanted, *gradients):
        with torch.enable_grad():
            # aliases: one argument may have been computed from another, and that path is not ours to differentiate
            inputs = [t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in saved]
            outputs = function(*inputs, *rest)
        pairs = [(output, g) for output, g in zip(outputs, gradients, strict=True) if g is not None]
        return torch.autograd.grad(
            [output for output, _ in pairs],
            inputs,
            [g for _, g in pairs],
            create_graph=torch.is_grad_enabled(),
            allow_unused=True,
        )

    return gradient
