"""A whole layer of a message-passing network."""

from collections.abc import Sequence

import torch
from torch import Tensor

from eqgraph.o3 import Irreps, Linear
from eqgraph.o3.blocks import from_blocks, to_blocks
from eqgraph.ops import Edges

from ..gate import Gate
from ..norm import BatchNorm
from ..species_linear import SpeciesLinear
from .tensor_product_conv import TensorProductConv

ACTIVATIONS = {1: torch.nn.functional.silu, -1: torch.tanh}
"""Activation of even and of odd scalars: an odd scalar needs an odd function."""


class Interaction(torch.nn.Module):
    """Linear, convolution, linear, plus a species-dependent self-connection; normalization; gate.

    x_i ← Gate(Norm(W₂ conv(W₁ x)_i + W[species_i] x_i))

    Args:
        irreps_in: irreps of the node features that come in.
        irreps_out: irreps wanted; those that the convolution cannot produce from irreps_in are left out (see attribute irreps_out).
        irreps_sh: irreps of the spherical harmonics of the edges.
        num_species: number of species.
        num_radial: width of the radial features of the edges.
        radial_hidden: hidden widths of the radial network.
        avg_num_neighbors: average number of incoming edges.
        normalization: "none" or "batch" (BatchNorm over the nodes of the batch).
        backend: of the convolution, see TensorProductConv.

    Raises:
        ValueError: if no irrep of irreps_out can be produced, or normalization is unknown.

    Example:
        >>> layer = Interaction("4x0e", "4x0e + 4x1o", "0e + 1o", num_species=2, num_radial=8)
        >>> x, edge_index = torch.randn(2, 4), torch.tensor([[0, 1], [1, 0]])
        >>> layer(x, torch.tensor([0, 1]), edge_index, torch.randn(2, 4), torch.randn(2, 8)).shape
        torch.Size([2, 16])

    Reference: the interaction block of Batzner et al. 2022, doi:10.1038/s41467-022-29939-5.
    """

    def __init__(
        self,
        irreps_in: Irreps | str,
        irreps_out: Irreps | str,
        irreps_sh: Irreps | str,
        num_species: int,
        num_radial: int,
        radial_hidden: Sequence[int] = (64, 64),
        avg_num_neighbors: float = 1.0,
        normalization: str = "none",
        backend: str = "auto",
    ) -> None:
        super().__init__()
        irreps_in, irreps_out = Irreps(irreps_in), Irreps(irreps_out)
        if normalization not in ("none", "batch"):
            raise ValueError(
                f"Interaction: expected normalization 'none' or 'batch', got {normalization!r}. Choose one of these."
            )
        self.linear_in = Linear(irreps_in, irreps_in)
        self.gate = _gate(irreps_out, _products(irreps_in, Irreps(irreps_sh)))
        self.conv = TensorProductConv(
            irreps_in,
            irreps_sh,
            self.gate.irreps_in,
            num_radial=num_radial,
            radial_hidden=radial_hidden,
            avg_num_neighbors=avg_num_neighbors,
            backend=backend,
        )
        self.linear_out = Linear(self.conv.irreps_out, self.gate.irreps_in)
        self.self_connection = SpeciesLinear(irreps_in, self.gate.irreps_in, num_species)
        self.norm = BatchNorm(self.gate.irreps_in) if normalization == "batch" else torch.nn.Identity()
        self.irreps_in, self.irreps_out = irreps_in, self.gate.irreps_out
        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._in_sizes = [(mul, ir.dim) for mul, ir in irreps_in]
        self._gate_sizes = [(mul, ir.dim) for mul, ir in self.gate.irreps_in]

    def reset_parameters(self) -> None:
        """Draw all weights anew and forget batch statistics."""
        for layer in (self.linear_in, self.conv, self.linear_out, self.self_connection, self.norm):
            if not isinstance(layer, torch.nn.Identity):
                layer.reset_parameters()

    def forward(
        self, x: Tensor, species: Tensor, edge_index: Tensor | Edges, edge_sh: Tensor, edge_radial: Tensor
    ) -> Tensor:
        """One layer.

        Args:
            x: (nodes, irreps_in.dim) node features.
            species: (nodes,) int64, in 0 ... num_species - 1.
            edge_index: (2, edges) int64, messages flow from the first row to the second; or ops.Edges.
            edge_sh: (edges, irreps_sh.dim).
            edge_radial: (edges, num_radial).

        Returns:
            (nodes, irreps_out.dim).
        """
        edges = edge_index if isinstance(edge_index, Edges) else self.conv.sorted(edge_index, len(x), len(x))
        blocks = to_blocks(x, self._in_sizes)
        return from_blocks(self.forward_blocks(blocks, species, edges, edge_sh, edge_radial))

    def forward_blocks(
        self, blocks: Sequence[Tensor], species: Tensor, edges: Edges, edge_sh: Tensor, edge_radial: Tensor
    ) -> list[Tensor]:
        """The same for features in blocks: see eqgraph.o3.blocks."""
        messages = self.conv.forward_blocks(self.linear_in.forward_blocks(blocks), edges, edge_sh, edge_radial)
        blocks = self.linear_out.forward_blocks(messages, add_to=self.self_connection.forward_blocks(blocks, species))
        if not isinstance(self.norm, torch.nn.Identity):
            blocks = to_blocks(self.norm(from_blocks(blocks)), self._gate_sizes)
        return self.gate.forward_blocks(blocks)


def _products(irreps_in: Irreps, irreps_sh: Irreps) -> set:
    return {ir for _, ir_in in irreps_in for _, ir_sh in irreps_sh for ir in ir_in * ir_sh}


def _gate(irreps_out: Irreps, reachable: set) -> Gate:
    """The gate that produces the reachable part of irreps_out, gated by even scalars."""
    irreps = Irreps([(mul, ir) for mul, ir in irreps_out if ir in reachable])
    if not irreps.dim or not any(ir.is_scalar() for ir in reachable):
        raise ValueError(
            f"Interaction: expected irreps_out that the convolution can produce, and '0e' to gate them, got '{irreps_out}', while it "
            f"reaches {sorted(map(str, reachable))}. Add '0e' to irreps_in, or raise lmax of the spherical harmonics."
        )
    scalars = Irreps([(mul, ir) for mul, ir in irreps if ir.l == 0])
    gated = Irreps([(mul, ir) for mul, ir in irreps if ir.l > 0])
    gates = Irreps([(gated.num_irreps, "0e")] if gated.dim else [])
    return Gate(
        scalars,
        [ACTIVATIONS[ir.p] for _, ir in scalars],
        gates,
        [ACTIVATIONS[ir.p] for _, ir in gates],
        gated,
    )
