"""The tensor field network of eqgraph.models written with the parts of e3nn and a scatter, with the same weights."""

from __future__ import annotations

import copy
import warnings

import torch
from torch import Tensor
from torch_geometric.utils import scatter

from eqgraph.math import normalize2mom
from eqgraph.models import Level, PointCloudClassifier
from eqgraph.models.tensor_field_network import TensorFieldLayer, TensorFieldNetwork


def e3nn_twin(model: PointCloudClassifier) -> PointCloudClassifier:
    """The same classifier whose network is made of e3nn's layers; graphs, invariants and head are ours in both."""
    twin = copy.deepcopy(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # e3nn compiles with TorchScript, which is deprecated
        twin.encoder.network = E3nnNetwork(model.encoder.network)
    for module in twin.encoder.network.modules():
        if type(module).__name__ == "normalize2mom":  # e3nn's constants are random estimates, which differ by 1e-3
            module.cst = normalize2mom(module.f).cst
    return twin


class E3nnNetwork(torch.nn.Module):
    """As TensorFieldNetwork."""

    def __init__(self, network: TensorFieldNetwork) -> None:
        super().__init__()
        from e3nn import o3

        self.irreps = network.irreps
        self.spherical_harmonics = o3.SphericalHarmonics(str(network.layers[0].conv.irreps_sh), True, "component")
        self.radial_basis, self.envelope = copy.deepcopy(network.radial_basis), copy.deepcopy(network.envelope)
        self.layers = torch.nn.ModuleList(E3nnLayer(layer) for layer in network.layers)

    def forward(self, x: Tensor, levels: list[Level]) -> list[Tensor]:
        features = [x]
        for layer, level in zip(self.layers, levels, strict=True):
            edge_len = torch.linalg.vector_norm(level.edge_vec, dim=-1)
            edge_radial = self.radial_basis(edge_len) * self.envelope(edge_len).unsqueeze(-1)
            features.append(layer(features[-1], level, self.spherical_harmonics(level.edge_vec), edge_radial))
        return features

    def last(self, x: Tensor, levels: list[Level]) -> Tensor:
        return self(x, levels)[-1]


class E3nnLayer(torch.nn.Module):
    """As TensorFieldLayer."""

    def __init__(self, layer: TensorFieldLayer) -> None:
        super().__init__()
        from e3nn import nn, o3

        conv = layer.conv
        products = o3.Irreps([(conv.irreps_in[i].mul, str(ir)) for i, _, ir in conv.paths])
        irreps, places, _ = products.sort()
        instructions = [(i, j, places[k], "uvu", True) for k, (i, j, _) in enumerate(conv.paths)]
        self.product = o3.TensorProduct(
            str(conv.irreps_in), str(conv.irreps_sh), irreps, instructions, shared_weights=False, internal_weights=False
        )
        self.radial = nn.FullyConnectedNet(conv.radial.hs, torch.nn.functional.silu)
        self.factor = float(conv.avg_num_neighbors) ** -0.5
        before = str(layer.act.irreps_in)
        self.linear_in = o3.Linear(str(layer.linear_in.irreps_in), str(conv.irreps_in))
        self.linear_out = o3.Linear(irreps.simplify(), before)
        self.self_interaction = o3.Linear(str(layer.self_interaction.irreps_in), before)
        self.norm = nn.BatchNorm(before)
        act = layer.act
        self.act = nn.Gate(
            str(act.irreps_scalars), act.act_scalars.acts and [torch.nn.functional.silu] * len(act.irreps_scalars),
            str(act.irreps_gates), [torch.tanh] * len(act.irreps_gates), str(act.irreps_gated),
        )  # fmt: skip
        for name in ("linear_in", "linear_out", "self_interaction", "norm"):
            getattr(self, name).load_state_dict(getattr(layer, name).state_dict(), strict=False)
        self.radial.load_state_dict(conv.radial.state_dict(), strict=False)

    def forward(self, x: Tensor, level: Level, edge_sh: Tensor, edge_radial: Tensor) -> Tensor:
        edges = level.edges
        messages = self.product(self.linear_in(x).index_select(0, edges.src), edge_sh, self.radial(edge_radial))
        messages = scatter(messages, edges.dst, 0, edges.num_dst, "sum") * self.factor
        own = x if level.nodes is None else x.index_select(0, level.nodes)
        return self.act(self.norm(self.linear_out(messages) + self.self_interaction(own)))
