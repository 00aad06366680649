"""The tensor field network."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor

from eqgraph.nn import TensorProductConv
from eqgraph.o3 import Irreps, Linear

from .hidden_irreps import checked_dipole
from .level_network import EdgeFeatures, LevelLayer, LevelNetwork
from .point_graph import Level
from .sizes import Depth, Width

_LANES = 8
"""Channels that kernels compute at a time."""


class TensorFieldNetworkConfig(BaseModel):
    """Hyperparameters of TensorFieldNetwork."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_layers: Depth = Field(3, description="convolutions")
    num_features: Width = Field(32, description="channels per irrep")
    lmax: int = Field(2, ge=0, le=8, description="highest degree of features and spherical harmonics")
    parity: bool = Field(
        False, description="carry both parities of every l; if false, only that of Y_l: 0e, 1o, 2e ..."
    )
    num_radial: Width = Field(8, description="Bessel functions of the distance")
    radial_hidden: list[Width] = Field([32], description="hidden widths of the radial networks")
    cutoff_power: int = Field(6, ge=2, description="power p of the polynomial envelope")
    nonlinearity: Literal["gate", "norm", "s2"] = Field("gate", description="what ends a layer: gate, norm or s2")
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


class TensorFieldNetwork(LevelNetwork):
    """Convolutions with spherical harmonics, self-interactions and gates, from the points of one level to those of the next.

    x_i ← φ(Norm(W₂ Σ_j R(|r_ij|) (W₁ x_j ⊗ Y(r_ij)) + W₃ x_i))

    Args:
        config: hyperparameters.
        irreps_in: irreps of the features of the first nodes.
        avg_num_neighbors: average number of incoming edges, of all layers, or one number for each.

    Attributes:
        irreps: of the features after each layer, the input's first.

    Raises:
        ValueError: if avg_num_neighbors is a list of another length than num_layers.

    Example:
        >>> import torch
        >>> from eqgraph.models import knn_levels
        >>> network = TensorFieldNetwork(TensorFieldNetworkConfig(num_layers=2, num_features=4), "1x0e", avg_num_neighbors=8)
        >>> levels = knn_levels(torch.randn(20, 3), torch.zeros(20, dtype=torch.int64), 1, [None, 5], [8, 8])
        >>> [tuple(x.shape) for x in network(torch.ones(20, 1), levels)]
        [(20, 1), (20, 36), (5, 36)]

    Reference: Thomas et al. 2018, arXiv:1802.08219; gates: Weiler et al. 2018, arXiv:1807.02547.
    """

    def __init__(
        self, config: TensorFieldNetworkConfig, irreps_in: Irreps | str, avg_num_neighbors: float | list[float]
    ) -> None:
        super().__init__(config, irreps_in)
        for number in _numbers_of_neighbors(avg_num_neighbors, config.num_layers):
            self.add(TensorFieldLayer(self.irreps_out, self.irreps_sh, number, config))


class TensorFieldLayer(LevelLayer):
    """One layer of a TensorFieldNetwork: messages W₂ Σ_j R(|r_ij|) (W₁ x_j ⊗ Y(r_ij)).

    Args:
        irreps_in: irreps of the senders.
        irreps_sh: irreps of the spherical harmonics of the edges.
        avg_num_neighbors: average number of incoming edges.
        config: of the network.
    """

    def __init__(
        self, irreps_in: Irreps, irreps_sh: Irreps, avg_num_neighbors: float, config: TensorFieldNetworkConfig
    ) -> None:
        super().__init__(irreps_in, irreps_sh, config)
        self.linear_in = Linear(irreps_in, _sent(irreps_in))
        self.conv = TensorProductConv(
            self.linear_in.irreps_out,
            irreps_sh,
            self.act.irreps_in,
            num_radial=config.num_radial,
            radial_hidden=config.radial_hidden,
            avg_num_neighbors=avg_num_neighbors,
            backend=config.backend,
        )
        self.linear_out = Linear(self.conv.irreps_out, self.act.irreps_in)

    def messages(self, x: Tensor, own: Tensor, level: Level, edge: EdgeFeatures) -> Tensor:
        sent = self.linear_in.forward_flat(x, self.backend)
        return self.linear_out.forward_flat(
            self.conv.forward_flat(sent, level.edges, edge.sh, edge.radial), self.backend
        )


def _sent(irreps: Irreps) -> Irreps:
    """One entry for each irrep, with a number of channels that fills the registers of a processor."""
    numbers: dict = {}
    for mul, ir in irreps:
        numbers[ir] = numbers.get(ir, 0) + mul
    return Irreps([(-(-mul // _LANES) * _LANES, ir) for ir, mul in numbers.items()])


def _numbers_of_neighbors(avg_num_neighbors: float | list[float], num_layers: int) -> list[float]:
    """One number for each layer."""
    numbers = avg_num_neighbors if isinstance(avg_num_neighbors, list) else [avg_num_neighbors] * num_layers
    if len(numbers) != num_layers:
        raise ValueError(
            f"avg_num_neighbors: expected one number for each of {num_layers} layers, got {numbers}. Correct the list."
        )
    return [float(number) for number in numbers]
