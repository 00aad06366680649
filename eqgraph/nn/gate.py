"""The gate: the usual nonlinearity of equivariant networks."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from eqgraph import ops
from eqgraph.o3 import Irrep, Irreps
from eqgraph.o3.blocks import cut, from_blocks, join, to_blocks
from eqgraph.ops.gates import Channels, Gated, Scalars

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
        runs = _runs(self.act_gates.irreps_out, irreps_gated)
        products = [(run.mul, (run.ir.l, run.gate.p * run.ir.p)) for run in runs]
        self.irreps_out = self.act_scalars.irreps_out + Irreps(
            [(sum(mul for mul, _ in members), ir) for ir, members in _neighbors(runs, products)]
        )

        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._dim_in, self._text_in = self.irreps_in.dim, str(self.irreps_in)
        self._sizes = [(mul, ir.dim) for mul, ir in self.irreps_in]
        self._pieces, self._places = _pieces(unsorted, self.irreps_in)
        self._num_scalars, self._num_gates = len(irreps_scalars), len(irreps_gates)
        self._gate_runs = [[run.mul for run in runs if run.gate_block == i] for i in range(len(irreps_gates))]
        self._gated_runs = [[run.mul for run in runs if run.gated_block == i] for i in range(len(irreps_gated))]
        self._merged = [len(members) for _, members in _neighbors(runs, products)]
        self.table = self._gate_table(runs)

    def _gate_table(self, runs: list["_Run"]) -> ops.GateTable | None:
        """The plan for ops.gate; None if it does not know one of the functions."""
        acts = [[_known_function(act) for act in activation.acts] for activation in (self.act_scalars, self.act_gates)]
        if None in acts[0] or None in acts[1]:
            return None
        places = [Channels(block, sum(self._pieces[block][:piece])) for block, piece in self._places]
        num_scalars, num_both = self._num_scalars, self._num_scalars + self._num_gates
        scalars = [
            Scalars(mul, *acts[0][i], places[i], Channels(i, 0)) for i, (mul, _) in enumerate(self.irreps_scalars)
        ]
        gated, used = [], [0] * len(places)
        blocks = [num_scalars + i for i, count in enumerate(self._merged) for _ in range(count)]
        filled = [0] * (num_scalars + len(self._merged))
        for run, block in zip(runs, blocks, strict=True):
            gate, source = num_scalars + run.gate_block, num_both + run.gated_block
            gated.append(
                Gated(
                    run.mul,
                    *acts[1][run.gate_block],
                    _moved(places[gate], used[gate]),
                    _moved(places[source], used[source]),
                    Channels(block, filled[block]),
                )
            )
            used[gate], used[source], filled[block] = (
                used[gate] + run.mul,
                used[source] + run.mul,
                filled[block] + run.mul,
            )
        blocks_in, blocks_out = (
            tuple(ops.Block(ir.l, mul) for mul, ir in irreps) for irreps in (self.irreps_in, self.irreps_out)
        )
        return ops.GateTable(blocks_in, blocks_out, tuple(scalars), tuple(gated))

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
        out = self._blocks(to_blocks(features, self._sizes))
        return from_blocks(out) if out else features

    def forward_flat(self, features: Float[Tensor, " numbers"], backend: str = "auto") -> Float[Tensor, " numbers_out"]:
        """The same for features in one vector (see eqgraph.o3.blocks); backend as in ops.gate."""
        if self.table is not None:
            return ops.gate(features, self.table, backend)
        return join(self._blocks(cut(features, self._sizes)))

    def _blocks(self, blocks: Sequence[Tensor]) -> list[Tensor]:
        pieces = [_split(block, sizes) for block, sizes in zip(blocks, self._pieces, strict=True)]
        entries = [pieces[block][piece] for block, piece in self._places]
        num_scalars, num_both = self._num_scalars, self._num_scalars + self._num_gates
        out = [act(block) for act, block in zip(self.act_scalars.acts, entries[:num_scalars], strict=True)]
        gates = [act(block) for act, block in zip(self.act_gates.acts, entries[num_scalars:num_both], strict=True)]
        gates = [part for gate, sizes in zip(gates, self._gate_runs, strict=True) for part in _split(gate, sizes)]
        gated = [
            p for block, sizes in zip(entries[num_both:], self._gated_runs, strict=True) for p in _split(block, sizes)
        ]
        products = [gate * block for gate, block in zip(gates, gated, strict=True)]
        start = 0
        for count in self._merged:
            out.append(products[start] if count == 1 else torch.cat(products[start : start + count], dim=-1))
            start += count
        return out


def _known_function(act: torch.nn.Module) -> tuple[str, float] | None:
    """Name and constant of an activation that ops.gate knows."""
    names = {torch.nn.functional.silu: "silu", torch.tanh: "tanh"}
    name = names.get(getattr(act, "f", None))
    return None if name is None else (name, act.cst)


def _moved(place: Channels, channels: int) -> Channels:
    return Channels(place.block, place.first + channels)


class _Run(NamedTuple):
    """Gates and gated irreps that lie side by side."""

    mul: int
    gate: Irrep
    ir: Irrep
    gate_block: int
    gated_block: int


def _runs(irreps_gates: Irreps, irreps_gated: Irreps) -> list[_Run]:
    """Pair the gates with the gated irreps, in order, in as few runs as possible."""
    gates = [(block, ir) for block, (mul, ir) in enumerate(irreps_gates) for _ in range(mul)]
    gated = [(block, ir) for block, (mul, ir) in enumerate(irreps_gated) for _ in range(mul)]
    return [
        _Run(len(list(members)), gate, ir, gate_block, gated_block)
        for ((gate_block, gate), (gated_block, ir)), members in groupby(zip(gates, gated, strict=True))
    ]


def _neighbors(runs: list[_Run], products: list[tuple]) -> list[tuple]:
    """(irrep, products) of successive runs that multiply equal irreps."""
    pairs = zip(runs, products, strict=True)
    groups = [list(members) for _, members in groupby(pairs, lambda pair: (pair[0].gate, pair[0].ir))]
    return [(members[0][1][1], [product for _, product in members]) for members in groups]


def _pieces(unsorted: Irreps, simplified: Irreps) -> tuple[list[list[int]], list[tuple[int, int]]]:
    """Where the entries of unsorted are in simplified: channels of the pieces of each block, (block, piece) of each entry."""
    blocks = {ir: index for index, (_, ir) in enumerate(simplified)}
    pieces: list[list[int]] = [[] for _ in simplified]
    places = [(0, 0)] * len(unsorted)
    for entry in unsorted.sort().inv:
        mul, ir = unsorted[entry]
        block = blocks.get(ir)
        if block is None:  # no copies at all, here and elsewhere: any empty piece will do
            block = 0
        places[entry] = (block, len(pieces[block]))
        pieces[block].append(mul)
    return pieces, places


def _split(block: Tensor, sizes: list[int]) -> Sequence[Tensor]:
    """Cut channels; the pieces of one cut share one gradient, unlike slices."""
    return [block] if len(sizes) == 1 else block.split(sizes, dim=-1)
