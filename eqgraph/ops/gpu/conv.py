"""The convolution on a GPU: value, gradient and second gradient."""

from torch import Tensor

from ..edges import SortedEdges
from ..paths import PathTable
from .traverse import Traversal


def conv(x: Tensor, y: Tensor, w: Tensor, edges: SortedEdges, table: PathTable) -> Tensor:
    """out[i, p, m3, c] = Σ_{e: dst(e) = i} w[row(e), p, c] Σ_{m1, m2} C^p[m1, m2, m3] x[src(e), m1, c] y[e, m2].

    Args:
        x: (num_src * dim_in,) features of the senders, one block (num_src, 2l + 1, mul) after another.
        y: (edges, dim_sh) spherical harmonics.
        w: (rows, num_weights) weights.
        edges: senders, receivers and rows of the weights.
        table: the paths.

    Returns:
        (num_dst * dim_out,) features of the receivers, one block after another.
    """
    return Traversal(edges, table, False, x=x, y=y, w=w).receivers()


def conv_backward(
    g: Tensor, x: Tensor, y: Tensor, w: Tensor, edges: SortedEdges, table: PathTable, moves: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """(gx, gy, gw): gradients of Σ g · conv(x, y, w); gy is there also if nothing moves."""
    traversal = Traversal(edges, table, False, g=g, x=x, y=y, w=w)
    return traversal.senders(), *traversal.edges()


def conv_double_backward(
    a: Tensor, b: Tensor, d: Tensor, g: Tensor, x: Tensor, y: Tensor, w: Tensor, edges: SortedEdges, table: PathTable
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(dg, dx, dy, dw): gradients of Σ a · gx + Σ b · gy + Σ d · gw, (gx, gy, gw) being the result of conv_backward."""
    traversal = Traversal(edges, table, True, a=a, b=b, d=d, g=g, x=x, y=y, w=w)
    return traversal.receivers(), traversal.senders(), *traversal.edges()
