"""A linear layer with its own weights for each species."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eqgraph import ops
from eqgraph.o3 import Irreps, Linear


class SpeciesLinear(torch.nn.Module):
    """Linear layer whose weights depend on the species of the node: y_i = W[species_i] x_i.

    The same functions as a fully connected tensor product of x with the one-hot vector of the species.

    Args:
        irreps_in: irreps of the input.
        irreps_out: irreps of the output; what irreps_in lacks comes out as zero.
        num_species: number of weight sets.

    Example:
        >>> layer = SpeciesLinear("8x0e + 8x1o", "4x0e + 2x1o", num_species=3)
        >>> layer
        SpeciesLinear(8x0e+8x1o -> 4x0e+2x1o | 3 x 48 weights)
        >>> layer(torch.randn(5, 32), torch.tensor([0, 0, 2, 1, 0])).shape
        torch.Size([5, 10])

    Reference: the self-connection of Batzner et al. 2022, doi:10.1038/s41467-022-29939-5.
    """

    def __init__(self, irreps_in: Irreps | str, irreps_out: Irreps | str, num_species: int) -> None:
        super().__init__()
        self.linear = Linear(irreps_in, irreps_out, internal_weights=False, shared_weights=False)
        self.irreps_in, self.irreps_out = self.linear.irreps_in, self.linear.irreps_out
        self.weight = torch.nn.Parameter(torch.empty(num_species, self.linear.weight_numel))
        self.reset_parameters()

    def __repr__(self) -> str:
        num_species, num_weights = self.weight.shape
        return f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out} | {num_species} x {num_weights} weights)"

    def reset_parameters(self) -> None:
        """Draw all weights anew from N(0, 1)."""
        torch.nn.init.normal_(self.weight)

    def forward(
        self, x: Float[Tensor, "nodes dim_in"], species: Int[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes dim_out"]:
        """Features and species in 0 ... num_species - 1 to features."""
        return self.linear(x, self.weight.index_select(0, species))

    def forward_flat(
        self, x: Float[Tensor, " numbers"], groups: ops.NodeGroups, backend: str = "auto"
    ) -> Float[Tensor, " numbers_out"]:
        """The same for features in one vector (see eqgraph.o3.blocks) and nodes grouped by species."""
        return ops.linear(x, self.linear.scales * self.weight, groups, self.linear.table, backend)
