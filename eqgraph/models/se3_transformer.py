"""The SE(3)-Transformer."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator
from torch import Tensor

from eqgraph.nn import AttentionConv, BesselBasis, PolynomialCutoff, normalization_resolver
from eqgraph.nn.nonlinearity import nonlinearity, products
from eqgraph.o3 import Irreps, Linear, SphericalHarmonics

from .hidden_irreps import hidden_irreps
from .point_graph import Level


class SE3TransformerConfig(BaseModel):
    """Hyperparameters of SE3Transformer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_layers: PositiveInt = Field(3, description="attention layers")
    num_features: PositiveInt = Field(32, description="channels per irrep")
    num_heads: PositiveInt = Field(4, description="attention heads; divides num_features")
    num_key_features: PositiveInt = Field(2, description="channels per irrep of the keys of one head")
    lmax: int = Field(2, ge=0, le=8, description="highest degree of features and spherical harmonics")
    parity: bool = Field(
        False, description="carry both parities of every l; if false, only that of Y_l: 0e, 1o, 2e ..."
    )
    num_radial: PositiveInt = Field(8, description="Bessel functions of the distance")
    radial_hidden: list[PositiveInt] = Field([32], description="hidden widths of the radial networks")
    cutoff_power: int = Field(6, ge=2, description="power p of the polynomial envelope")
    nonlinearity: Literal["gate", "norm", "s2"] = Field(
        "norm", description="what ends a layer: norm (as published), gate or s2"
    )
    normalization: str = Field("none", description="per-irrep normalization before it: none, layer, rms, batch ...")
    backend: Literal["auto", "reference", "cpu", "gpu"] = Field(
        "auto", description="implementation of the convolutions"
    )

    @model_validator(mode="after")
    def _check_heads(self) -> "SE3TransformerConfig":
        if self.num_features % self.num_heads:
            raise ValueError(
                f"num_heads: expected a divisor of num_features = {self.num_features}, got {self.num_heads}"
            )
        return self


class SE3Transformer(torch.nn.Module):
    """Attention over neighbors with keys and values that are tensor field convolutions, self-interactions, norm nonlinearities.

    x_i ← φ(Norm(Σ_j α_ij R(|r_ij|) (x_j ⊗ Y(r_ij)) + W x_i)),   α_ij = softmax_j(q_i · k_ij)

    Args:
        config: hyperparameters.
        irreps_in: irreps of the features of the first nodes.
        avg_num_neighbors: average number of incoming edges; attention takes means, and does not need it.

    Attributes:
        irreps: of the features after each layer, the input's first.

    Example:
        >>> from eqgraph.models import knn_levels
        >>> network = SE3Transformer(SE3TransformerConfig(num_layers=2, num_features=4), "1x0e")
        >>> levels = knn_levels(torch.randn(20, 3), torch.zeros(20, dtype=torch.int64), 1, [None, 5], [8, 8])
        >>> [tuple(x.shape) for x in network(torch.ones(20, 1), levels)]
        [(20, 1), (20, 36), (5, 36)]

    Reference: Fuchs et al. 2020, arXiv:2006.10503; the envelope in the softmax, without which neighbors enter at once, is ours.
    """

    def __init__(
        self, config: SE3TransformerConfig, irreps_in: Irreps | str, avg_num_neighbors: float | list[float] = 1.0
    ) -> None:
        super().__init__()
        self.config = config
        irreps_sh = Irreps.spherical_harmonics(config.lmax)
        self.spherical_harmonics = SphericalHarmonics(irreps_sh, True, "component", backend=config.backend)
        self.radial_basis = BesselBasis(config.num_radial, 1.0, trainable=False)
        self.envelope = PolynomialCutoff(1.0, config.cutoff_power)
        hidden = hidden_irreps(config.num_features, config.lmax, config.parity)
        self.irreps, self.layers = [Irreps(irreps_in)], torch.nn.ModuleList()
        for _ in range(config.num_layers):
            layer = SE3TransformerLayer(self.irreps[-1], hidden, irreps_sh, config)
            self.layers.append(layer)
            self.irreps.append(layer.irreps_out)

    @property
    def irreps_out(self) -> Irreps:
        """Of the features after the last layer."""
        return self.irreps[-1]

    def forward(self, x: Tensor, levels: list[Level]) -> list[Tensor]:
        """Features of all levels.

        Args:
            x: (nodes, irreps_in.dim) of the first nodes.
            levels: one for each layer, see knn_levels and same_levels.

        Returns:
            x and the features after each layer, (nodes, irreps.dim).
        """
        features, level, edge = [x], None, ()
        for layer, next_level in zip(self.layers, levels, strict=True):
            if next_level is not level:  # the same graph again: the same harmonics
                level = next_level
                edge_len = torch.linalg.vector_norm(level.edge_vec, dim=-1)
                edge_radial = self.radial_basis(edge_len.index_select(0, level.edges.first))
                edge = (self.spherical_harmonics(level.edge_vec), edge_radial, self.envelope(edge_len))
            features.append(layer(features[-1], level, *edge))
        return features

    def last(self, x: Tensor, levels: list[Level]) -> Tensor:
        """The features after the last layer alone."""
        return self(x, levels)[-1]


class SE3TransformerLayer(torch.nn.Module):
    """One layer of an SE3Transformer.

    Args:
        irreps_in: irreps of the senders.
        irreps_out: irreps wanted of the receivers; those within reach are there.
        irreps_sh: irreps of the spherical harmonics of the edges.
        config: of the network.
    """

    def __init__(self, irreps_in: Irreps, irreps_out: Irreps, irreps_sh: Irreps, config: SE3TransformerConfig) -> None:
        super().__init__()
        self.act = nonlinearity(
            config.nonlinearity, irreps_out, products(irreps_in, irreps_sh), "SE3TransformerLayer", torch.tanh
        )
        kinds = list(dict.fromkeys(ir for _, ir in irreps_in))
        self.attention = AttentionConv(
            irreps_in,
            irreps_sh,
            self.act.irreps_in,
            config.num_radial,
            num_heads=config.num_heads,
            irreps_key=Irreps([(config.num_heads * config.num_key_features, ir) for ir in kinds]),
            irreps_value=Irreps([(config.num_features, ir) for ir in kinds]),
            radial_hidden=config.radial_hidden,
            eps=1.0,  # as if there were one more neighbor, that says nothing: the last one to leave goes smoothly
            backend=config.backend,
        )
        self.self_interaction = Linear(irreps_in, self.act.irreps_in)
        self.norm = normalization_resolver(config.normalization, self.act.irreps_in)
        self.irreps_out = self.act.irreps_out

    def forward(self, x: Tensor, level: Level, edge_sh: Tensor, edge_radial: Tensor, envelope: Tensor) -> Tensor:
        """(senders, irreps_in.dim) -> (receivers, irreps_out.dim)."""
        own = x if level.nodes is None else x.index_select(0, level.nodes)
        new = self.attention((x, own), level.edges, edge_sh, edge_radial, envelope=envelope)
        new = new + self.self_interaction(own)
        if self.norm is not None:
            new = self.norm(new, level.batch)
        return self.act(new)
