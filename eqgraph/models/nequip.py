"""The NequIP network."""

from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor

from eqgraph.nn import BesselBasis, Interaction, PolynomialCutoff
from eqgraph.o3 import Irreps, Linear, SphericalHarmonics
from eqgraph.o3.blocks import from_flat, join, to_blocks
from eqgraph.ops import Edges, NodeGroups

from .hidden_irreps import checked_dipole, hidden_irreps, readout_irreps
from .sizes import Depth, Width


class NequIPConfig(BaseModel):
    """Hyperparameters of NequIP; what comes from data (species, cutoff, average neighbors) is given to the module itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_layers: Depth = Field(4, description="message-passing layers; atoms up to num_layers · cutoff apart interact")
    num_features: Width = Field(32, description="channels per irrep")
    lmax: int = Field(2, ge=0, le=8, description="highest degree of features and spherical harmonics")
    parity: bool = Field(
        False, description="carry both parities of every l; if false, only that of Y_l: 0e, 1o, 2e ..."
    )
    num_radial: Width = Field(8, description="Bessel functions")
    radial_hidden: list[Width] = Field([64, 64], description="hidden widths of the radial networks")
    cutoff_power: int = Field(6, ge=2, description="power p of the polynomial cutoff")
    backend: Literal["auto", "reference", "cpu", "gpu"] = Field(
        "auto", description="implementation of the convolutions"
    )
    normalization: str = Field(
        "none", description="per-irrep normalization of each layer: none, or one that is local: layer, rms"
    )
    dipole: bool = Field(
        False,
        description="predict dipole moments too, of neutral structures without periodicity; needs lmax of at least 1",
    )

    @field_validator("dipole")
    @classmethod
    def _check_dipole(cls, dipole: bool, info: Any) -> bool:
        return checked_dipole(dipole, info.data.get("lmax"))


class NequIP(torch.nn.Module):
    """Interatomic network of equivariant convolutions: species and edge vectors to one scalar per atom.

    With config.dipole, to one vector per atom besides.

    Args:
        config: hyperparameters.
        num_species: number of chemical species.
        cutoff: radius [Å] within which atoms are neighbors.
        avg_num_neighbors: average number of neighbors in the training data, which scales the sums over neighbors.
        irreps_x: irreps of what is known of nodes besides their species.

    Attributes:
        irreps_out: of the features of nodes, before they are read out.

    Example:
        >>> network = NequIP(NequIPConfig(num_layers=2, num_features=4), num_species=2, cutoff=5.0, avg_num_neighbors=1.0)
        >>> edges = Edges.of(torch.tensor([[0, 1], [1, 0]]), 2, 2)
        >>> network(torch.tensor([0, 1]), torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]]), edges).shape
        torch.Size([2, 1])

    Reference: Batzner et al. 2022, doi:10.1038/s41467-022-29939-5.
    """

    def __init__(
        self,
        config: NequIPConfig,
        num_species: int,
        cutoff: float,
        avg_num_neighbors: float,
        irreps_x: Irreps | str = "",
    ) -> None:
        super().__init__()
        self.config, self.irreps_x = config, Irreps(irreps_x)
        irreps_sh = Irreps.spherical_harmonics(config.lmax)
        irreps_hidden = hidden_irreps(config.num_features, config.lmax, config.parity)
        irreps_scalar = Irreps([(config.num_features, "0e")])
        irreps_readout = readout_irreps(config.dipole)
        irreps_last = Irreps([(config.num_features, ir) for _, ir in irreps_readout])

        self.spherical_harmonics = SphericalHarmonics(
            irreps_sh, normalize=True, normalization="component", backend=config.backend
        )
        self.radial_basis = BesselBasis(config.num_radial, cutoff)
        self.envelope = PolynomialCutoff(cutoff, config.cutoff_power)
        self.embedding = torch.nn.Embedding(num_species, config.num_features)
        self.layers = torch.nn.ModuleList()
        irreps = irreps_scalar + self.irreps_x
        for index in range(config.num_layers):
            last = index == config.num_layers - 1
            layer = Interaction(
                irreps,
                irreps_last if last else irreps_hidden,  # nothing else reaches the readout
                irreps_sh,
                num_species,
                config.num_radial,
                config.radial_hidden,
                avg_num_neighbors,
                config.normalization,
                config.backend,
            )
            self.layers.append(layer)
            irreps = layer.irreps_out
        self.irreps_out = irreps
        self.predicts_dipole, self.readout = config.dipole, Linear(irreps, irreps_readout)
        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._x_sizes, self._out_sizes, self._readout_sizes = (
            [(mul, ir.dim) for mul, ir in each] for each in (self.irreps_x, irreps, irreps_readout)
        )

    def forward(
        self, species: Int[Tensor, " nodes"], edge_vec: Float[Tensor, "edges 3"], edges: Edges
    ) -> Float[Tensor, "nodes dim_readout"]:
        """Species (0 ... num_species - 1) and edge vectors [Å] from sender to receiver to a dimensionless scalar per node.

        With config.dipole the components x, y, z of a vector follow it.

        Edges that share a row of radial weights must have the same length.
        """
        features = self._features(species, edge_vec, edges)
        return from_flat(self.readout.forward_flat(features, self.config.backend), self._readout_sizes)

    def encode(
        self,
        species: Int[Tensor, " nodes"],
        edge_vec: Float[Tensor, "edges 3"],
        edges: Edges,
        x: Float[Tensor, "nodes dim_x"] | None = None,
    ) -> Float[Tensor, "nodes dim_out"]:
        """The same to the features of nodes in irreps_out; x: what else is known of the nodes, in irreps_x."""
        return from_flat(self._features(species, edge_vec, edges, x), self._out_sizes)

    def _features(self, species: Tensor, edge_vec: Tensor, edges: Edges, x: Tensor | None = None) -> Tensor:
        edge_len = torch.linalg.vector_norm(edge_vec.index_select(0, edges.first), dim=-1)
        edge_sh = self.spherical_harmonics(edge_vec)
        edge_radial = self.radial_basis(edge_len) * self.envelope(edge_len).unsqueeze(-1)
        groups = NodeGroups.of(species, self.embedding.num_embeddings)
        features = self.embedding(species).flatten()  # scalars: see eqgraph.o3.blocks
        if x is not None:
            features = join([features, *to_blocks(x, self._x_sizes)])
        for layer in self.layers:
            features = layer.forward_flat(features, groups, edges, edge_sh, edge_radial)
        return features
