"""The last step of both EvoNorms: irreps times factors."""

from collections.abc import Callable

from torch import Tensor

from eqgraph.ops.evo_norms import EvoNorm
from eqgraph.ops.library import devices

from .by_kernels import by_kernels
from .layout import Layout
from .scale_irreps import scale_irreps

_LARGEST = 9
"""Components of the largest irrep of which kernels shuffle the components."""


def evo_factors(
    x: Tensor,
    layout: Layout,
    kind: str,
    factors: Callable[..., Tensor],
    *parameters: Tensor,
    bias: Tensor | None,
    graph: Tensor | None,
    eps: float,
) -> Tensor:
    """y = x f(q) + bias: see scale_irreps.

    Args:
        x: (nodes, dim) features.
        layout: of x.
        kind: "S0" or "B0": see EvoNorm, whose parameters these are.
        factors: f(sizes, *parameters, graph) in plain PyTorch.
        parameters: v, s, and for "B0" a, w.
        bias: (dim,), zero for what is not 0e; None: zero.
        graph: (nodes,) int64; None: all in one graph.
        eps: ε.
    """
    index = x.new_zeros(len(x)).long() if graph is None else graph.contiguous().long()

    def formula(x: Tensor, bias: Tensor, *parameters: Tensor) -> Tensor:
        return scale_irreps(x, layout, factors, *parameters, bias=bias, signed=True, index=index)

    bias = x.new_zeros(x.shape[1]) if bias is None else bias.to(x.dtype)
    if any(dim > _LARGEST for _, _, dim, _ in layout.blocks):
        return formula(x, bias, *parameters)
    norm = EvoNorm(kind, tuple(layout.blocks), eps)
    return by_kernels(
        formula,
        lambda x, bias, *parameters: devices(x).evo_norm(x, bias, parameters, index, norm),
        lambda g, x, bias, *parameters: devices(x).evo_norm_backward(g, x, bias, parameters, index, norm),
        x,
        bias,
        *parameters,
    )
