"""The gate: the usual nonlinearity of equivariant networks."""

from collections.abc import Callable, Sequence
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor

from eqgraph.o3 import Irreps

from .activation import Activation


class Gate(torch.nn.Module):
    """Multiply each gated irrep by a scalar that went through an activation.

    out = [φ(s), ψ(g) · v]   with scalars s, gates g, gated irreps v.

    The input holds scalars, gates and gated irreps sorted and simplified (irreps_in); the output keeps the given order. Activations are
    scaled to keep the second moment (see Activation), so the output is φ(s) / sqrt(E[φ²]), not φ(s). An odd gate flips the parity of
    what it gates.

    Args:
        irreps_scalars: scalars that are activated and kept.
        act_scalars: one activation per block of irreps_scalars.
        irreps_gates: scalars that are activated and used up, one per gated irrep.
        act_gates: one activation per block of irreps_gates.
        irreps_gated: irreps that the gates multiply.

    Raises:
        ValueError: if scalars or gates have l > 0, or the numbers of gates and of gated irreps differ.

    Example:
        >>> gate = Gate("16x0e", [torch.tanh], "8x0e", [torch.sigmoid], "8x1o")
        >>> gate.irreps_in, gate.irreps_out
        (24x0e+8x1o, 16x0e+8x1o)

    Reference: Weiler et al. 2018, arXiv:1807.02547.
    """

    def __init__(
        self,
        irreps_scalars: Irreps | str,
        act_scalars: Sequence[Callable[[Tensor], Tensor] | None],
        irreps_gates: Irreps | str,
        act_gates: Sequence[Callable[[Tensor], Tensor] | None],
        irreps_gated: Irreps | str,
    ) -> None:
        super().__init__()
        irreps_scalars, irreps_gates, irreps_gated = Irreps(irreps_scalars), Irreps(irreps_gates), Irreps(irreps_gated)
        for name, irreps in (("irreps_scalars", irreps_scalars), ("irreps_gates", irreps_gates)):
            if irreps.dim and irreps.lmax > 0:
                raise ValueError(
                    f"Gate: expected only scalars (l = 0) in {name}, got '{irreps}'. Move what has l > 0 to irreps_gated."
                )
        if irreps_gates.num_irreps != irreps_gated.num_irreps:
            raise ValueError(
                f"Gate: expected one gate per gated irrep, got {irreps_gates.num_irreps} in irreps_gates='{irreps_gates}' for "
                f"{irreps_gated.num_irreps} in irreps_gated='{irreps_gated}'. Make the multiplicities add up to the same number."
            )
        self.act_scalars = Activation(irreps_scalars, act_scalars)
        self.act_gates = Activation(irreps_gates, act_gates)
        self.irreps_scalars, self.irreps_gates, self.irreps_gated = irreps_scalars, irreps_gates, irreps_gated

        unsorted = irreps_scalars + irreps_gates + irreps_gated
        self.irreps_in = unsorted.sort().irreps.simplify()
        self._slices = _sorted_slices(unsorted)
        pairs = _gate_pairs(self.act_gates.irreps_out.simplify(), irreps_gated.simplify())
        irreps_products = Irreps([(mul, (ir.l, gate.p * ir.p)) for mul, gate, ir, *_ in pairs])
        self.irreps_out = self.act_scalars.irreps_out + irreps_products

        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._dim_in, self._text_in = self.irreps_in.dim, str(self.irreps_in)
        self._num_scalars, self._num_gates = len(irreps_scalars), len(irreps_gates)
        self._runs = [(mul, ir.dim, gate_start, gated_start) for mul, _, ir, gate_start, gated_start in pairs]

    def __repr__(self) -> str:
        return f"{type(self).__name__} ({self.irreps_in} -> {self.irreps_out})"

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        for name in ("mul.weight", "mul.output_mask"):  # constants that e3nn's gate keeps in its checkpoints
            state_dict.pop(prefix + name, None)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, features: Float[Tensor, "*batch dim_in"]) -> Float[Tensor, "*batch dim_out"]:
        """Features (..., irreps_in.dim) to (..., irreps_out.dim)."""
        if features.shape[-1] != self._dim_in:
            raise ValueError(
                f"Gate: expected features with last axis {self._dim_in} ('{self._text_in}'), got shape "
                f"{tuple(features.shape)}. Let the layer before it produce gate.irreps_in."
            )
        blocks = [features[..., start:stop] for start, stop in self._slices]
        num_scalars, num_gates = self._num_scalars, self._num_gates
        scalars = _cat(blocks[:num_scalars], features)
        gates = self.act_gates(_cat(blocks[num_scalars : num_scalars + num_gates], features))
        gated = _cat(blocks[num_scalars + num_gates :], features)

        out = [self.act_scalars(scalars)]
        for mul, dim, gate_start, gated_start in self._runs:
            gate = gates[..., gate_start : gate_start + mul].unsqueeze(-1)
            block = gated[..., gated_start : gated_start + mul * dim].unflatten(-1, (mul, dim))
            out.append((gate * block).flatten(-2))
        return torch.cat(out, dim=-1)


def _cat(blocks: list[Tensor], like: Tensor) -> Tensor:
    if len(blocks) == 1:
        return blocks[0]
    return torch.cat(blocks, dim=-1) if blocks else like[..., :0]


def _sorted_slices(irreps: Irreps) -> list[tuple[int, int]]:
    """Where each block of irreps lies after sorting, in the order of irreps."""
    order = irreps.sort()
    stops = list(accumulate(mul * ir.dim for mul, ir in order.irreps))
    starts = [0, *stops]
    return [(starts[position], stops[position]) for position in order.p]


def _gate_pairs(irreps_gates: Irreps, irreps_gated: Irreps) -> list[tuple]:
    """Cut gates and gated irreps into runs of equal irreps: (mul, gate irrep, gated irrep, gate start, gated start)."""
    pairs = []
    gates, gated = [list(b) for b in irreps_gates], [list(b) for b in irreps_gated]
    gate_start = gated_start = 0
    while gates and gated:
        mul = min(gates[0][0], gated[0][0])
        if mul:
            gate, ir = gates[0][1], gated[0][1]
            pairs.append((mul, gate, ir, gate_start, gated_start))
            gate_start += mul
            gated_start += mul * ir.dim
        for blocks in (gates, gated):
            blocks[0][0] -= mul
            if blocks[0][0] == 0:
                blocks.pop(0)
    return pairs
