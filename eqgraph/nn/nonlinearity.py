"""The nonlinearity at the end of a layer, for the irreps that the layer can produce."""

from collections.abc import Callable

import torch

from eqgraph.o3 import Irreps

from .activation import NormActivation, S2Activation
from .gate import Gate

ACTIVATIONS = {1: torch.nn.functional.silu, -1: torch.tanh}
"""Activation of even and of odd scalars: an odd scalar needs an odd function."""

NONLINEARITIES = ("gate", "norm", "s2")

_SOFT = 0.1
"""ε of norm activations, a tenth of the typical length: derivatives stay of order one where features vanish."""


def products(irreps_in: Irreps, irreps_sh: Irreps) -> set:
    """Irreps that occur in the tensor product of features and spherical harmonics.

    Example:
        >>> sorted(products(Irreps("4x1o"), Irreps("0e + 1o")))
        [0e, 1o, 1e, 2e]
    """
    return {ir for _, ir_in in irreps_in for _, ir_sh in irreps_sh for ir in ir_in * ir_sh}


def nonlinearity(
    kind: str,
    irreps_out: Irreps | str,
    reachable: set,
    layer: str = "nonlinearity",
    act_gates: Callable[[torch.Tensor], torch.Tensor] = torch.nn.functional.silu,
) -> torch.nn.Module:
    """A module with irreps_in and irreps_out, whose output is the part of irreps_out that the layer can reach.

    Args:
        kind: "gate" (scalars through SiLU, the others times gates of their own, see Gate), "norm" (each irrep scaled by a function of
            its norm, see NormActivation) or "s2" (SiLU of functions on the sphere, see S2Activation: equivariant to 10⁻⁴ only).
        irreps_out: irreps wanted.
        reachable: irreps that the layer can produce, as from products.
        layer: who asks, for messages.
        act_gates: function of the gates. One that is bounded (tanh) keeps products from growing from layer to layer.

    Raises:
        ValueError: for an unknown kind, or if nothing of irreps_out, or no 0e for gates, is within reach.

    Example:
        >>> gate = nonlinearity("gate", "4x0e + 2x1o", {ir for _, ir in Irreps("0e + 1o")})
        >>> gate.irreps_in, gate.irreps_out
        (6x0e+2x1o, 4x0e+2x1o)

    Reference: Weiler et al. 2018, arXiv:1807.02547 (gate); Thomas et al. 2018, arXiv:1802.08219, section 4.1.3 (norm);
    Poulenard & Guibas 2021, doi:10.1109/CVPR46437.2021.01297 (s2).
    """
    if kind not in NONLINEARITIES:
        raise ValueError(
            f"{layer}: expected a nonlinearity among {', '.join(NONLINEARITIES)}, got {kind!r}. Choose one of these."
        )
    irreps_out = Irreps(irreps_out)
    irreps = Irreps([(mul, ir) for mul, ir in irreps_out if ir in reachable])
    if not irreps.dim or not any(ir.is_scalar() for ir in reachable):
        raise ValueError(
            f"{layer}: expected irreps_out that the convolution can produce, and '0e' to gate them, got '{irreps_out}', while it "
            f"reaches {sorted(map(str, reachable))}. Add '0e' to irreps_in, or raise lmax of the spherical harmonics."
        )
    if kind == "norm":
        return NormActivation(irreps, torch.nn.functional.silu, epsilon=_SOFT, bias=True)
    if kind == "s2":
        return S2Activation(irreps, torch.nn.functional.silu, res=4 * (irreps.lmax + 1) + 2)
    scalars = Irreps([(mul, ir) for mul, ir in irreps if ir.l == 0])
    gated = Irreps([(mul, ir) for mul, ir in irreps if ir.l > 0])
    gates = Irreps([(gated.num_irreps, "0e")] if gated.dim else [])
    return Gate(
        scalars,
        [ACTIVATIONS[ir.p] for _, ir in scalars],
        gates,
        [act_gates] * len(gates),
        gated,
    )
