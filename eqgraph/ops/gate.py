"""The gated nonlinearity as an operator of PyTorch, for processors: value, gradient, second gradient in one kernel each."""

import torch
from torch import Tensor

from .backend import choose_backend
from .gates import GateTable
from .library import composed_gradient, define, devices, operators
from .reference import gate as reference


def gate(x: Tensor, table: GateTable, backend: str = "auto") -> Tensor:
    """Functions of scalars, and irreps times functions of scalars.

    Args:
        x: (numbers,) features, block after block, each (nodes, 2l + 1, mul).
        table: what becomes of which channels.
        backend: "auto", "reference", "cpu" or "gpu"; on a GPU plain PyTorch computes it.

    Returns:
        (numbers,) features in table.out_blocks.

    Example:
        >>> from eqgraph.ops import Block, GateTable, gates
        >>> scalars = gates.Scalars(1, "silu", 2.0, gates.Channels(0, 0), gates.Channels(0, 0))
        >>> gate(torch.ones(3), GateTable((Block(0, 1),), (Block(0, 1),), (scalars,), ()))
        tensor([1.4621, 1.4621, 1.4621])
    """
    if choose_backend(backend, x.device, x.dtype).name == "cpu":
        return operators.gate(x, table.key)
    return reference(x, table)


def _gate(x, key):
    return devices(x).gate(x.contiguous(), GateTable.from_key(key))


def _gate_fake(x, key):
    table = GateTable.from_key(key)
    return x.new_empty(x.shape[0] // max(table.dim_in, 1) * table.dim_out)


def _gate_gradient(saved, rest, wanted, g):
    return (operators.gate_backward(g, *saved, *rest),)


def _backward(g, x, key):
    return devices(x).gate_backward(g.contiguous(), x.contiguous(), GateTable.from_key(key))


def _backward_fake(g, x, key):
    return torch.empty_like(x)


def _backward_gradient(saved, rest, wanted, a):
    return operators.gate_double_backward(a, *saved, *rest)


def _double_backward(a, g, x, key):
    tensors = [tensor.contiguous() for tensor in (a, g, x)]
    return devices(x).gate_double_backward(*tensors, GateTable.from_key(key))


def _double_backward_fake(a, g, x, key):
    return torch.empty_like(g), torch.empty_like(x)


def _composed(a, g, x, key):
    (gx,) = torch.autograd.grad(reference(x, GateTable.from_key(key)), x, g, create_graph=True)
    return torch.autograd.grad(gx, (g, x), a, create_graph=True)


define("gate", "x", 1, _gate, _gate_fake, _gate_gradient, "str table")
define("gate_backward", "g x", 1, _backward, _backward_fake, _backward_gradient, "str table")
define(
    "gate_double_backward",
    "a g x",
    2,
    _double_backward,
    _double_backward_fake,
    composed_gradient(_composed),
    "str table",
)
