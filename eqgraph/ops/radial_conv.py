"""The convolution with the last layer of the radial network inside: w = h @ matrix exists for a few edges at a time only."""

import torch
from torch import Tensor

from .edges import SortedEdges
from .library import EDGES, composed_gradient, define, devices, edges_of, operators
from .paths import PathTable


def radial_conv(x: Tensor, y: Tensor, h: Tensor, matrix: Tensor, edges: SortedEdges, table: PathTable) -> Tensor:
    """conv(x, y, h @ matrix), with h of shape (rows, hidden) and matrix of shape (hidden, num_weights)."""
    return operators.radial_conv(x, y, h, matrix, *edges, table.key)


def _radial_conv(x, y, h, matrix, *rest):
    edges, table = edges_of(rest)
    return devices(x).radial_conv(x.contiguous(), y.contiguous(), h.contiguous(), matrix.contiguous(), edges, table)


def _radial_conv_fake(x, y, h, matrix, *rest):
    edges, table = edges_of(rest)
    return x.new_empty(edges.num_dst * table.dim_out)


def _radial_conv_gradient(saved, rest, wanted, g):
    _, moves, _, learns = wanted
    gx, gy, gh, gmatrix = operators.radial_conv_backward(g, *saved, *rest, learns, moves)
    return gx, gy if moves else None, gh, gmatrix if learns else None


def _backward(g, x, y, h, matrix, *rest):
    *rest, learns, moves = rest
    edges, table = edges_of(rest)
    return devices(x).radial_conv_backward(*(t.contiguous() for t in (g, x, y, h, matrix)), edges, table, learns, moves)


def _backward_fake(g, x, y, h, matrix, *rest):
    return tuple(torch.empty_like(tensor) for tensor in (x, y, h, matrix))


def _backward_gradient(saved, rest, wanted, a, b, c, cmatrix):
    *rest, _, _ = rest
    g, x, y, h, matrix = saved
    a, b, c = (torch.zeros_like(like) if given is None else given for given, like in ((a, x), (b, y), (c, h)))
    if cmatrix is None:
        return operators.radial_conv_double_backward(a, b, c, g, x, y, h, matrix, *rest)
    return _composed(a, b, c, cmatrix, g, x, y, h, matrix, *rest)


def _double_backward(a, b, c, g, x, y, h, matrix, *rest):
    edges, table = edges_of(rest)
    tensors = [tensor.contiguous() for tensor in (a, b, c, g, x, y, h, matrix)]
    return devices(x).radial_conv_double_backward(*tensors, edges, table)


def _double_backward_fake(a, b, c, g, x, y, h, matrix, *rest):
    return tuple(torch.empty_like(tensor) for tensor in (g, x, y, h, matrix))


def _composed(a, b, c, cmatrix, g, x, y, h, matrix, *rest):
    """The second gradient with stored weights, where the gradient of the matrix is used too (cmatrix)."""
    w, d = h @ matrix, c @ matrix
    if cmatrix is not None:
        d = d + h @ cmatrix
    dg, dx, dy, dw = operators.conv_double_backward(a, b, d, g, x, y, w, *rest)
    gw = operators.conv_backward(g, x, y, w, *rest, False)[2]
    dh, dmatrix = dw @ matrix.t(), h.t() @ dw + c.t() @ gw
    if cmatrix is not None:
        dh = dh + gw @ cmatrix.t()
    return dg, dx, dy, dh, dmatrix


def _composed_without(a, b, c, *others):
    return _composed(a, b, c, None, *others)


define("radial_conv", "x y h matrix", 1, _radial_conv, _radial_conv_fake, _radial_conv_gradient)
define(
    "radial_conv_backward",
    "g x y h matrix",
    4,
    _backward,
    _backward_fake,
    _backward_gradient,
    f"{EDGES}, str table, bool learns, bool moves",
)
define(
    "radial_conv_double_backward",
    "a b c g x y h matrix",
    5,
    _double_backward,
    _double_backward_fake,
    composed_gradient(_composed_without),
)
