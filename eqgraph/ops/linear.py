"""A linear map of each block of node features, with weights for each group of nodes, as an operator of PyTorch.

With L(g, x, w) = Σ g · linear(x, w), which is linear in each argument, all derivatives are sums of L with one argument left out.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .backend import choose_backend
from .blocks import LinearTable
from .library import define, devices, operators
from .reference import linear as reference

_GROUPS = "Tensor order, Tensor ptr"


class NodeGroups(NamedTuple):
    """Nodes sorted by group, as CSR."""

    order: Tensor
    """(nodes,) nodes, those of the first group first."""
    ptr: Tensor
    """(groups + 1,) where each group starts in order."""

    @staticmethod
    def of(group: Tensor, num_groups: int) -> "NodeGroups":
        """Sort nodes by group, whole numbers in 0 ... num_groups - 1.

        Example:
            >>> NodeGroups.of(torch.tensor([1, 0, 1]), 2)
            NodeGroups(order=tensor([1, 0, 2]), ptr=tensor([0, 1, 3]))
        """
        sorted_, order = torch.sort(group, stable=True)
        return NodeGroups(order, torch.searchsorted(sorted_, torch.arange(num_groups + 1, device=group.device)))


def linear(x: Tensor, w: Tensor, groups: NodeGroups | None, table: LinearTable, backend: str = "auto") -> Tensor:
    """y_out = Σ_paths x_in @ w_path, node by node.

    Args:
        x: (numbers,) features, block after block, each (nodes, 2l + 1, mul).
        w: (groups, table.num_weights) the matrices of all paths, (mul_in, mul_out) each.
        groups: of the nodes; None: all in one.
        table: what blocks there are, and which paths.
        backend: "auto", "reference", "cpu" or "gpu".

    Returns:
        (numbers,) features in table.out_blocks; zero where no path leads.

    Example:
        >>> from eqgraph.ops import Block, LinearTable
        >>> table = LinearTable((Block(0, 2),), (Block(0, 1),), ((0, 0),))
        >>> linear(torch.tensor([1.0, 10.0, 2.0, 20.0]), torch.tensor([[1.0, 1.0]]), None, table)
        tensor([11., 22.])
    """
    if groups is None:
        empty = torch.empty(0, dtype=torch.int64, device=x.device)
        groups = NodeGroups(empty, empty)
    if choose_backend(backend, x.device, x.dtype).name == "cpu":
        return operators.linear(x, w, *groups, table.key)
    return reference(x, w, groups, table)


def _linear(x, w, order, ptr, key):
    return devices(x).linear(x.contiguous(), w.contiguous(), order, ptr, LinearTable.from_key(key))


def _linear_fake(x, w, order, ptr, key):
    table = LinearTable.from_key(key)
    return x.new_empty(x.shape[0] // max(table.dim_in, 1) * table.dim_out)


def _linear_gradient(saved, rest, wanted, g):
    gx, gw = operators.linear_backward(g, *saved, *rest, *wanted)
    return gx if wanted[0] else None, gw if wanted[1] else None


def _backward(g, x, w, order, ptr, key, wants_x, wants_w):
    tensors = [tensor.contiguous() for tensor in (g, x, w)]
    return devices(x).linear_backward(*tensors, order, ptr, LinearTable.from_key(key), wants_x, wants_w)


def _backward_fake(g, x, w, order, ptr, key, wants_x, wants_w):
    return torch.empty_like(x), torch.empty_like(w)


def _backward_gradient(saved, rest, wanted, a, b):
    g, x, w = saved
    *rest, wants_x, wants_w = rest
    forward, backward = operators.linear, operators.linear_backward
    dg, dx, dw = [], None, None
    if a is not None and wants_x:
        if wanted[0]:
            dg.append(forward(a, w, *rest))
        if wanted[2]:
            dw = backward(g, a, w, *rest, False, True)[1]
    if b is not None and wants_w:
        if wanted[0]:
            dg.append(forward(x, b, *rest))
        if wanted[1]:
            dx = backward(g, x, b, *rest, True, False)[0]
    return sum(dg[1:], dg[0]) if dg else None, dx, dw


define("linear", "x w", 1, _linear, _linear_fake, _linear_gradient, f"{_GROUPS}, str table")
define(
    "linear_backward",
    "g x w",
    2,
    _backward,
    _backward_fake,
    _backward_gradient,
    f"{_GROUPS}, str table, bool wants_x, bool wants_w",
)
