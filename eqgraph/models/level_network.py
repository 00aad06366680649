"""What tensor field networks and transformers share: layers from the nodes of one level to those of the next."""

from typing import NamedTuple

import torch
from pydantic import BaseModel
from torch import Tensor

from eqgraph.nn import BesselBasis, Gate, PolynomialCutoff, normalization_resolver
from eqgraph.nn.nonlinearity import nonlinearity, products
from eqgraph.o3 import Irreps, Linear, SphericalHarmonics
from eqgraph.o3.blocks import Sizes, cut, from_flat, join, to_flat

from .hidden_irreps import hidden_irreps
from .point_graph import Level


class EdgeFeatures(NamedTuple):
    """What layers know of the edges of a level."""

    sh: Tensor
    """(edges, dim_sh) spherical harmonics."""
    radial: Tensor
    """(rows of the weights, num_radial) functions of the length, times the envelope."""
    envelope: Tensor
    """(edges,)"""


class LevelLayer(torch.nn.Module):
    """x_i ← φ(Norm(messages_i + W x_i)), where subclasses say what the messages are.

    Args:
        irreps_in: irreps of the senders.
        irreps_sh: irreps of the spherical harmonics of the edges.
        config: of the network.

    Attributes:
        act: φ; messages are in act.irreps_in.
        irreps_out: irreps of the receivers: the hidden ones, as far as they are within reach.
    """

    def __init__(self, irreps_in: Irreps, irreps_sh: Irreps, config: BaseModel) -> None:
        super().__init__()
        hidden = hidden_irreps(config.num_features, config.lmax, config.parity)
        reachable = products(irreps_in, irreps_sh)
        self.act = nonlinearity(config.nonlinearity, hidden, reachable, type(self).__name__, torch.tanh)
        self.self_interaction = Linear(irreps_in, self.act.irreps_in)
        self.norm = normalization_resolver(config.normalization, self.act.irreps_in)
        self.irreps_out, self.backend = self.act.irreps_out, config.backend
        # plain numbers for forward, so that torch.compile need not look into Irreps
        self.sizes_in, self.sizes_out, self._act_sizes = (
            [(mul, ir.dim) for mul, ir in irreps] for irreps in (irreps_in, self.irreps_out, self.act.irreps_in)
        )

    def messages(self, x: Tensor, own: Tensor, level: Level, edge: EdgeFeatures) -> Tensor:
        """Sums over the senders x for receivers whose features are own; all in one vector, see eqgraph.o3.blocks."""
        raise NotImplementedError

    def forward_flat(self, x: Tensor, level: Level, edge: EdgeFeatures) -> Tensor:
        """Features of the senders, in one vector (see eqgraph.o3.blocks), to those of the receivers."""
        own = x if level.nodes is None else _chosen(x, self.sizes_in, level.nodes)
        new = self.messages(x, own, level, edge) + self.self_interaction.forward_flat(own, self.backend)
        if self.norm is not None:
            new = to_flat(self.norm(from_flat(new, self._act_sizes), level.batch), self._act_sizes)
        if isinstance(self.act, Gate):
            return self.act.forward_flat(new, self.backend)
        return to_flat(self.act(from_flat(new, self._act_sizes)), self.sizes_out)


class LevelNetwork(torch.nn.Module):
    """Layers one after another, each on the graph of its level.

    Args:
        config: hyperparameters; subclasses add config.num_layers layers.
        irreps_in: irreps of the features of the first nodes.

    Attributes:
        irreps: of the features after each layer, the input's first.
    """

    def __init__(self, config: BaseModel, irreps_in: Irreps | str) -> None:
        super().__init__()
        self.config = config
        self.irreps_sh = Irreps.spherical_harmonics(config.lmax)
        self.spherical_harmonics = SphericalHarmonics(self.irreps_sh, True, "component", backend=config.backend)
        self.radial_basis = BesselBasis(config.num_radial, 1.0, trainable=False)
        self.envelope = PolynomialCutoff(1.0, config.cutoff_power)
        self.irreps, self.layers = [Irreps(irreps_in)], torch.nn.ModuleList()

    def add(self, layer: LevelLayer) -> None:
        """Append a layer, made for irreps_out."""
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
        flat, level, edge, features = to_flat(x, self.layers[0].sizes_in), None, None, []
        for layer, next_level in zip(self.layers, levels, strict=True):
            if next_level is not level:  # the same graph again: the same features of edges
                level, edge = next_level, self._edge_features(next_level)
            flat = layer.forward_flat(flat, level, edge)
            features.append(flat)
        return features

    def _edge_features(self, level: Level) -> EdgeFeatures:
        envelope = self.envelope(level.edge_len)
        first = level.edges.first
        radial = self.radial_basis(level.edge_len.index_select(0, first)) * envelope.index_select(0, first).unsqueeze(
            -1
        )
        return EdgeFeatures(self.spherical_harmonics(level.edge_vec), radial, envelope)


def _chosen(flat: Tensor, sizes: Sizes, nodes: Tensor) -> Tensor:
    """Features of some nodes, in one vector as those of all."""
    return join([block.index_select(0, nodes) for block in cut(flat, sizes)])
