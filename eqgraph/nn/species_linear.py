"""A linear layer with its own weights for each species."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eqgraph.o3 import Irreps, Linear
from eqgraph.o3.blocks import from_blocks, to_blocks

_FEW = 8
"""Up to so many species all weights are applied to all nodes in one matrix product, which beats fetching the weights of each node."""


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
        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._out_sizes = [(mul, ir.dim) for mul, ir in self.irreps_out]
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

    def forward_blocks(self, blocks: Sequence[Tensor], species: Int[Tensor, " nodes"]) -> list[Tensor]:
        """The same for features in blocks: see eqgraph.o3.blocks."""
        linear, num_species = self.linear, len(self.weight)
        if num_species > _FEW:
            return to_blocks(self(from_blocks(blocks), species), self._out_sizes)
        chosen = (species.unsqueeze(-1) == torch.arange(num_species, device=species.device)).to(self.weight.dtype)
        chosen = chosen.view(-1, 1, num_species, 1)
        # each node's features stand in the columns of its species, zeros in those of the others
        wide = {ins.i_in: (blocks[ins.i_in].unsqueeze(2) * chosen).flatten(2) for ins in linear.instructions}
        weights = linear.scales * self.weight
        outputs: list[Tensor | None] = [None] * len(self._out_sizes)
        for ins, weight in zip(linear.instructions, weights.split(linear.path_sizes, dim=1), strict=True):
            mul_in, mul_out = ins.path_shape
            y = wide[ins.i_in] @ weight.reshape(num_species * mul_in, mul_out)
            before = outputs[ins.i_out]
            outputs[ins.i_out] = y if before is None else before + y
        return [
            blocks[0].new_zeros(len(species), dim, mul) if y is None else y
            for y, (mul, dim) in zip(outputs, self._out_sizes, strict=True)
        ]
