"""A whole layer of a message-passing network."""

from collections.abc import Sequence

import torch
from torch import Tensor

from eqgraph.o3 import Irreps, Linear
from eqgraph.o3.blocks import from_flat, to_flat
from eqgraph.ops import Edges, NodeGroups

from ..nonlinearity import nonlinearity, products
from ..norm import normalization_resolver
from ..species_linear import SpeciesLinear
from .tensor_product_conv import TensorProductConv


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
        normalization: name of a local one, see normalization_resolver: "none", "batch", "layer", "rms".
        backend: see TensorProductConv.

    Raises:
        ValueError: if no irrep of irreps_out can be produced, or normalization is unknown or not local.

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
        self.num_species, self.backend = num_species, backend
        self.linear_in = Linear(irreps_in, irreps_in)
        self.gate = nonlinearity("gate", irreps_out, products(irreps_in, Irreps(irreps_sh)), "Interaction")
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
        self.norm = normalization_resolver(normalization, self.gate.irreps_in)
        if self.norm is not None and not self.norm.is_local:
            raise ValueError(
                f"Interaction: expected a normalization that needs no other nodes in evaluation, got {normalization!r}, which couples "
                "the nodes of a graph: energies would be neither local nor extensive. Take 'layer', 'rms' or 'none'."
            )
        self.irreps_in, self.irreps_out = irreps_in, self.gate.irreps_out
        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._in_sizes = [(mul, ir.dim) for mul, ir in irreps_in]
        self._out_sizes = [(mul, ir.dim) for mul, ir in self.irreps_out]
        self._gate_sizes = [(mul, ir.dim) for mul, ir in self.gate.irreps_in]

    def reset_parameters(self) -> None:
        """Draw all weights anew and forget batch statistics."""
        for layer in (self.linear_in, self.conv, self.linear_out, self.self_connection, self.norm):
            if layer is not None:
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
        groups = NodeGroups.of(species, self.num_species)
        flat = self.forward_flat(to_flat(x, self._in_sizes), groups, edges, edge_sh, edge_radial)
        return from_flat(flat, self._out_sizes)

    def forward_flat(self, x: Tensor, groups: NodeGroups, edges: Edges, edge_sh: Tensor, edge_radial: Tensor) -> Tensor:
        """The same for features in one vector (see eqgraph.o3.blocks) and nodes grouped by species."""
        messages = self.conv.forward_flat(self.linear_in.forward_flat(x, self.backend), edges, edge_sh, edge_radial)
        new = self.linear_out.forward_flat(messages, self.backend)
        new = new + self.self_connection.forward_flat(x, groups, self.backend)
        if self.norm is not None:
            new = to_flat(self.norm(from_flat(new, self._gate_sizes)), self._gate_sizes)
        return self.gate.forward_flat(new, self.backend)
