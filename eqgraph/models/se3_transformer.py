"""The SE(3)-Transformer."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from torch import Tensor

from eqgraph.nn import AttentionConv
from eqgraph.o3 import Irreps

from .hidden_irreps import checked_dipole
from .level_network import EdgeFeatures, LevelLayer, LevelNetwork
from .point_graph import Level
from .sizes import Depth, Width


class SE3TransformerConfig(BaseModel):
    """Hyperparameters of SE3Transformer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_layers: Depth = Field(3, description="attention layers")
    num_features: Width = Field(32, description="channels per irrep")
    num_heads: Width = Field(4, description="attention heads; divides num_features")
    num_key_features: Width = Field(2, description="channels per irrep of the keys of one head")
    lmax: int = Field(2, ge=0, le=8, description="highest degree of features and spherical harmonics")
    parity: bool = Field(
        False, description="carry both parities of every l; if false, only that of Y_l: 0e, 1o, 2e ..."
    )
    num_radial: Width = Field(8, description="Bessel functions of the distance")
    radial_hidden: list[Width] = Field([32], description="hidden widths of the radial networks")
    cutoff_power: int = Field(6, ge=2, description="power p of the polynomial envelope")
    nonlinearity: Literal["gate", "norm", "s2"] = Field(
        "norm", description="what ends a layer: norm (as published), gate or s2"
    )
    normalization: str = Field("none", description="per-irrep normalization before it: none, layer, rms, batch ...")
    backend: Literal["auto", "reference", "cpu", "gpu"] = Field(
        "auto", description="implementation of the convolutions"
    )
    dipole: bool = Field(
        False,
        description="predict dipole moments too, of neutral structures without periodicity; needs lmax of at least 1",
    )

    @field_validator("dipole")
    @classmethod
    def _check_dipole(cls, dipole: bool, info: Any) -> bool:
        return checked_dipole(dipole, info.data.get("lmax"))

    @model_validator(mode="after")
    def _check_heads(self) -> "SE3TransformerConfig":
        if self.num_features % self.num_heads:
            raise ValueError(
                f"num_heads: expected a divisor of num_features = {self.num_features}, got {self.num_heads}"
            )
        return self


class SE3Transformer(LevelNetwork):
    """Attention over neighbors with keys and values that are tensor field convolutions, self-interactions, norm nonlinearities.

    x_i ← φ(Norm(Σ_j α_ij R(|r_ij|) (x_j ⊗ Y(r_ij)) + W x_i)),   α_ij = softmax_j(q_i · k_ij)

    Args:
        config: hyperparameters.
        irreps_in: irreps of the features of the first nodes.
        avg_num_neighbors: average number of incoming edges; attention takes means, and does not need it.

    Attributes:
        irreps: of the features after each layer, the input's first.

    Example:
        >>> import torch
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
        super().__init__(config, irreps_in)
        for _ in range(config.num_layers):
            self.add(SE3TransformerLayer(self.irreps_out, self.irreps_sh, config))


class SE3TransformerLayer(LevelLayer):
    """One layer of an SE3Transformer: messages Σ_j α_ij R(|r_ij|) (W x_j ⊗ Y(r_ij)).

    Args:
        irreps_in: irreps of the senders.
        irreps_sh: irreps of the spherical harmonics of the edges.
        config: of the network.
    """

    def __init__(self, irreps_in: Irreps, irreps_sh: Irreps, config: SE3TransformerConfig) -> None:
        super().__init__(irreps_in, irreps_sh, config)
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

    def messages(self, x: Tensor, own: Tensor, level: Level, edge: EdgeFeatures) -> Tensor:
        return self.attention.forward_flat(x, own, level.edges, edge.sh, edge.radial, edge.envelope)
