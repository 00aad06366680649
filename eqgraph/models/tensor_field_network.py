"""The tensor field network."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor

from eqgraph.nn import BesselBasis, Gate, PolynomialCutoff, TensorProductConv, normalization_resolver
from eqgraph.nn.nonlinearity import nonlinearity, products
from eqgraph.o3 import Irreps, Linear, SphericalHarmonics
from eqgraph.o3.blocks import Sizes, cut, from_flat, join, to_flat

from .hidden_irreps import hidden_irreps
from .point_graph import Level

_LANES = 8
"""Channels that kernels compute at a time."""


class TensorFieldNetworkConfig(BaseModel):
    """Hyperparameters of TensorFieldNetwork."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_layers: PositiveInt = Field(3, description="convolutions")
    num_features: PositiveInt = Field(32, description="channels per irrep")
    lmax: int = Field(2, ge=0, le=8, description="highest degree of features and spherical harmonics")
    parity: bool = Field(
        False, description="carry both parities of every l; if false, only that of Y_l: 0e, 1o, 2e ..."
    )
    num_radial: PositiveInt = Field(8, description="Bessel functions of the distance")
    radial_hidden: list[PositiveInt] = Field([32], description="hidden widths of the radial networks")
    cutoff_power: int = Field(6, ge=2, description="power p of the polynomial envelope")
    nonlinearity: Literal["gate", "norm", "s2"] = Field("gate", description="what ends a layer: gate, norm or s2")
    normalization: str = Field("none", description="per-irrep normalization before it: none, layer, rms, batch ...")
    backend: Literal["auto", "reference", "cpu", "gpu"] = Field(
        "auto", description="implementation of the convolutions"
    )


class TensorFieldNetwork(torch.nn.Module):
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
        super().__init__()
        self.config = config
        irreps_sh = Irreps.spherical_harmonics(config.lmax)
        self.spherical_harmonics = SphericalHarmonics(irreps_sh, True, "component", backend=config.backend)
        self.radial_basis = BesselBasis(config.num_radial, 1.0, trainable=False)
        self.envelope = PolynomialCutoff(1.0, config.cutoff_power)
        neighbors = numbers_of_neighbors(avg_num_neighbors, config.num_layers)
        hidden = hidden_irreps(config.num_features, config.lmax, config.parity)
        self.irreps, self.layers = [Irreps(irreps_in)], torch.nn.ModuleList()
        for number in neighbors:
            layer = TensorFieldLayer(self.irreps[-1], hidden, irreps_sh, number, config)
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
        sizes = [layer.sizes_out for layer in self.layers]
        return [x, *(from_flat(flat, size) for flat, size in zip(self._run(x, levels), sizes, strict=True))]

    def last(self, x: Tensor, levels: list[Level]) -> Tensor:
        """The features after the last layer alone: one conversion instead of one per layer."""
        return from_flat(self._run(x, levels)[-1], self.layers[-1].sizes_out)

    def _run(self, x: Tensor, levels: list[Level]) -> list[Tensor]:
        """Features after each layer, each in one vector (see eqgraph.o3.blocks)."""
        flat, level, edge_sh, edge_radial, features = to_flat(x, self.layers[0].sizes_in), None, None, None, []
        for layer, next_level in zip(self.layers, levels, strict=True):
            if next_level is not level:  # the same graph again: the same harmonics
                level = next_level
                edge_sh = self.spherical_harmonics(level.edge_vec)
                edge_len = torch.linalg.vector_norm(level.edge_vec.index_select(0, level.edges.first), dim=-1)
                edge_radial = self.radial_basis(edge_len) * self.envelope(edge_len).unsqueeze(-1)
            flat = layer.forward_flat(flat, level, edge_sh, edge_radial)
            features.append(flat)
        return features


class TensorFieldLayer(torch.nn.Module):
    """One layer of a TensorFieldNetwork.

    Args:
        irreps_in: irreps of the senders.
        irreps_out: irreps wanted of the receivers; those within reach are there.
        irreps_sh: irreps of the spherical harmonics of the edges.
        avg_num_neighbors: average number of incoming edges.
        config: of the network.
    """

    def __init__(
        self,
        irreps_in: Irreps,
        irreps_out: Irreps,
        irreps_sh: Irreps,
        avg_num_neighbors: float,
        config: TensorFieldNetworkConfig,
    ) -> None:
        super().__init__()
        self.act = nonlinearity(
            config.nonlinearity, irreps_out, products(irreps_in, irreps_sh), "TensorFieldLayer", torch.tanh
        )
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
        self.self_interaction = Linear(irreps_in, self.act.irreps_in)
        self.norm = normalization_resolver(config.normalization, self.act.irreps_in)
        self.irreps_out, self.backend = self.act.irreps_out, config.backend
        # plain numbers for forward, so that torch.compile need not look into Irreps
        self.sizes_in, self.sizes_out, self._act_sizes = (
            [(mul, ir.dim) for mul, ir in irreps] for irreps in (irreps_in, self.irreps_out, self.act.irreps_in)
        )

    def forward_flat(self, x: Tensor, level: Level, edge_sh: Tensor, edge_radial: Tensor) -> Tensor:
        """Features of the senders, in one vector (see eqgraph.o3.blocks), to those of the receivers."""
        messages = self.conv.forward_flat(
            self.linear_in.forward_flat(x, self.backend), level.edges, edge_sh, edge_radial
        )
        own = x if level.nodes is None else _chosen(x, self.sizes_in, level.nodes)
        new = self.linear_out.forward_flat(messages, self.backend) + self.self_interaction.forward_flat(
            own, self.backend
        )
        if self.norm is not None:
            new = to_flat(self.norm(from_flat(new, self._act_sizes), level.batch), self._act_sizes)
        if isinstance(self.act, Gate):
            return self.act.forward_flat(new, self.backend)
        return to_flat(self.act(from_flat(new, self._act_sizes)), self.sizes_out)


def _sent(irreps: Irreps) -> Irreps:
    """One entry for each irrep, with a number of channels that fills the registers of a processor."""
    numbers: dict = {}
    for mul, ir in irreps:
        numbers[ir] = numbers.get(ir, 0) + mul
    return Irreps([(-(-mul // _LANES) * _LANES, ir) for ir, mul in numbers.items()])


def _chosen(flat: Tensor, sizes: Sizes, nodes: Tensor) -> Tensor:
    """Features of some nodes, in one vector as those of all."""
    return join([block.index_select(0, nodes) for block in cut(flat, sizes)])


def numbers_of_neighbors(avg_num_neighbors: float | list[float], num_layers: int) -> list[float]:
    """One number for each layer.

    Raises:
        ValueError: if there is another number of them.

    Example:
        >>> numbers_of_neighbors(8, 2)
        [8.0, 8.0]
    """
    numbers = avg_num_neighbors if isinstance(avg_num_neighbors, list) else [avg_num_neighbors] * num_layers
    if len(numbers) != num_layers:
        raise ValueError(
            f"avg_num_neighbors: expected one number for each of {num_layers} layers, got {numbers}. Correct the list."
        )
    return [float(number) for number in numbers]
