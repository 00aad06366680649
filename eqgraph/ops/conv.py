"""The convolution as an operator of PyTorch: one kernel per device, differentiable to every order, traceable.

With L(g, x, y, w) = Σ g · conv(x, y, w), which is linear in each argument, all derivatives are sums of L with one argument left out.
"""

import torch
from torch import Tensor

from .edges import SortedEdges
from .library import EDGES, composed_gradient, define, devices, edges_of, operators
from .paths import PathTable


def conv(x: Tensor, y: Tensor, w: Tensor, edges: SortedEdges, table: PathTable) -> Tensor:
    """The convolution of ops.reference.tensor_product_conv, by the kernels of the device."""
    return operators.conv(x, y, w, *edges, table.key)


def _conv(x, y, w, *rest):
    edges, table = edges_of(rest)
    return devices(x).conv(x.contiguous(), y.contiguous(), w.contiguous(), edges, table)


def _conv_fake(x, y, w, *rest):
    edges, table = edges_of(rest)
    return x.new_empty(edges.num_dst * table.dim_out)


def _conv_gradient(saved, rest, wanted, g):
    gx, gy, gw = operators.conv_backward(g, *saved, *rest, wanted[1])
    return gx, gy if wanted[1] else None, gw


def _backward(g, x, y, w, *rest):
    *rest, moves = rest
    edges, table = edges_of(rest)
    return devices(x).conv_backward(*(tensor.contiguous() for tensor in (g, x, y, w)), edges, table, moves)


def _backward_fake(g, x, y, w, *rest):
    return torch.empty_like(x), torch.empty_like(y), torch.empty_like(w)


def _backward_gradient(saved, rest, wanted, a, b, d):
    *rest, _ = rest
    g, x, y, w = saved
    a, b, d = (torch.zeros_like(like) if given is None else given for given, like in ((a, x), (b, y), (d, w)))
    return operators.conv_double_backward(a, b, d, g, x, y, w, *rest)


def _double_backward(a, b, d, g, x, y, w, *rest):
    edges, table = edges_of(rest)
    tensors = [tensor.contiguous() for tensor in (a, b, d, g, x, y, w)]
    return devices(x).conv_double_backward(*tensors, edges, table)


def _double_backward_fake(a, b, d, g, x, y, w, *rest):
    return torch.empty_like(g), torch.empty_like(x), torch.empty_like(y), torch.empty_like(w)


def composed_double_backward(
    a: Tensor, b: Tensor, d: Tensor, g: Tensor, x: Tensor, y: Tensor, w: Tensor, *rest
) -> tuple[Tensor, ...]:
    """The gradients of L(g, a, y, w) + L(g, x, b, w) + L(g, x, y, d) from the operators of lower order, and so differentiable."""
    conv, backward = operators.conv, operators.conv_backward
    dg = conv(a, y, w, *rest) + conv(x, b, w, *rest) + conv(x, y, d, *rest)
    _, dy1, dw1 = backward(g, a, y, w, *rest, True)
    dx1, _, dw2 = backward(g, x, b, w, *rest, False)
    dx2, dy2, _ = backward(g, x, y, d, *rest, True)
    return dg, dx1 + dx2, dy1 + dy2, dw1 + dw2


define("conv", "x y w", 1, _conv, _conv_fake, _conv_gradient)
define("conv_backward", "g x y w", 3, _backward, _backward_fake, _backward_gradient, f"{EDGES}, str table, bool moves")
define(
    "conv_double_backward",
    "a b d g x y w",
    4,
    _double_backward,
    _double_backward_fake,
    composed_gradient(composed_double_backward),
)
