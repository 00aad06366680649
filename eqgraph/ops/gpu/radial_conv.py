"""The convolution on a GPU with weights w = h @ W, which exist one tile of edges at a time and are never stored.

With d = ch @ W + h @ cW, the direction of w when h and W move along ch and cW, everything is as in conv, and the chain rule gives
gh = gw Wᵀ and gW = hᵀ gw.
"""

import torch
from torch import Tensor

from ..edges import SortedEdges
from ..paths import PathTable
from .traverse import Traversal


def radial_conv(x: Tensor, y: Tensor, h: Tensor, W: Tensor, edges: SortedEdges, table: PathTable) -> Tensor:
    """conv(x, y, h @ W).

    Args:
        x: (num_src * dim_in,) features of the senders, one block (num_src, 2l + 1, mul) after another.
        y: (edges, dim_sh) spherical harmonics.
        h: (rows, hidden) radial features.
        W: (hidden, num_weights) the last layer of the radial network.
        edges: senders, receivers and rows of h.
        table: the paths.

    Returns:
        (num_dst * dim_out,) features of the receivers, one block after another.
    """
    return Traversal(edges, table, False, x=x, y=y, h=h, W=W).receivers()


def radial_conv_backward(
    g: Tensor,
    x: Tensor,
    y: Tensor,
    h: Tensor,
    W: Tensor,
    edges: SortedEdges,
    table: PathTable,
    learns: bool = True,
    moves: bool = True,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(gx, gy, gh, gW): gradients of Σ g · radial_conv(x, y, h, W); gW is zero unless it learns, gy is there also if nothing moves."""
    traversal = Traversal(edges, table, False, g=g, x=x, y=y, h=h, W=W)
    return traversal.senders(), *traversal.edges(), traversal.matrix() if learns else torch.zeros_like(W)


def radial_conv_double_backward(
    a: Tensor,
    b: Tensor,
    ch: Tensor,
    g: Tensor,
    x: Tensor,
    y: Tensor,
    h: Tensor,
    W: Tensor,
    edges: SortedEdges,
    table: PathTable,
    cW: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """(dg, dx, dy, dh, dW): gradients of Σ a · gx + Σ b · gy + Σ ch · gh + Σ cW · gW, the result of radial_conv_backward.

    Without cW, as where forces are trained, the last sum is left out.
    """
    directions = {"a": a, "b": b, "ch": ch} | ({} if cW is None else {"cW": cW})
    traversal = Traversal(edges, table, True, **directions, g=g, x=x, y=y, h=h, W=W)
    return traversal.receivers(), traversal.senders(), *traversal.edges(), traversal.matrix()
