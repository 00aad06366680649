"""One or more constructions of every class of the family: what the rule tests run over."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from eqgraph import nn

IRREPS = "3x0e + 2x1o + 1x0o + 2x0e + 2x2e + 2x1o"
EVEN_IRREPS = "3x0e + 2x1o + 2x0o + 1x0e + 2x2e + 2x1o"
"""An even number of irreps of each type."""


class Case(NamedTuple):
    """How to build a layer of a class, and what it cannot promise."""

    build: Callable[..., torch.nn.Module]
    """irreps -> layer."""
    irreps: str = IRREPS
    arguments: Callable[[int, torch.dtype], tuple[Tensor, ...]] = lambda nodes, dtype: ()
    """(nodes, dtype) -> further arguments after x, one row per node, the same every time it is called with the same number."""
    random: bool = False
    """Draws random numbers: compared under one seed, and not under permutations."""
    splits: bool = True
    """Splitting and reordering equal irreps changes nothing."""
    single_node: str = ""
    """What it says of a single node in training, if that is an error."""
    half: bool = True
    """Results in half precision are within 2e-2 of those in float32."""
    gradients: bool = True
    """Smooth enough for gradcheck at random points (and at zero if its class says smooth)."""


def types_of_nodes(nodes: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """One of three types for each node."""
    return (torch.arange(nodes) % 3,)


class MessageOfX(nn.MessageNorm):
    """MessageNorm of messages that turn with x, as the rules need it, and have another direction."""

    def forward(self, x, batch=None, batch_size=None, *, mask=None):
        fits = x.shape[-1] == self.layout.dim
        return super().forward(
            x,
            x * self.layout.to_columns(self.layout.dim_of_copy - 2).to(x) if fits else x,
            batch,
            batch_size,
            mask=mask,
        )


def diff_group_norm(irreps: str, **options) -> nn.DiffGroupNorm:
    """One whose clusters are the same each time."""
    torch.manual_seed(0)
    return nn.DiffGroupNorm(irreps, 3, 0.5, **options)


CASES: dict[str, Case] = {
    "BatchNorm": Case(nn.BatchNorm, single_node="more than 1 node"),
    "BatchNorm norm": Case(
        lambda irreps: nn.BatchNorm(irreps, normalization="norm", momentum=None, correction=1),
        single_node="more than 1 node",
    ),
    "BatchNorm max": Case(
        lambda irreps: nn.BatchNorm(irreps, reduce="max", affine=False), single_node="more than 1 node"
    ),
    "BatchNorm untracked": Case(
        lambda irreps: nn.BatchNorm(irreps, track_running_stats=False, include_bias=False),
        single_node="more than 1 node",
    ),
    "BatchNorm instance": Case(lambda irreps: nn.BatchNorm(irreps, instance=True)),
    "InstanceNorm": Case(nn.InstanceNorm),
    "InstanceNorm tracked": Case(lambda irreps: nn.InstanceNorm(irreps, affine=True, track_running_stats=True)),
    "InstanceNorm centred": Case(
        lambda irreps: nn.InstanceNorm(irreps, affine=True, center_nonscalars=True, normalization="norm")
    ),
    "InstanceNorm max": Case(lambda irreps: nn.InstanceNorm(irreps, reduce="max")),
    "SyncBatchNorm": Case(nn.SyncBatchNorm, single_node="more than 1 node"),
    "HeteroBatchNorm": Case(lambda irreps: nn.HeteroBatchNorm(irreps, 3), arguments=types_of_nodes),
    "HeteroBatchNorm norm": Case(
        lambda irreps: nn.HeteroBatchNorm(irreps, 3, momentum=None, normalization="norm", correction=1),
        arguments=types_of_nodes,
    ),
    "SyncHeteroBatchNorm": Case(lambda irreps: nn.SyncHeteroBatchNorm(irreps, 3), arguments=types_of_nodes),
    "GraphNorm": Case(nn.GraphNorm),
    "GraphNorm centred": Case(lambda irreps: nn.GraphNorm(irreps, normalization="norm", center_nonscalars=True)),
    "PairNorm": Case(lambda irreps: nn.PairNorm(irreps, 2.0)),
    "PairNorm individually": Case(lambda irreps: nn.PairNorm(irreps, scale_individually=True)),
    "MeanSubtractionNorm": Case(nn.MeanSubtractionNorm),
    "GraphSizeNorm": Case(nn.GraphSizeNorm),
    "MessageNorm": Case(MessageOfX),
    "MessageNorm learned": Case(lambda irreps: MessageOfX(irreps, learn_scale=True)),
    "DiffGroupNorm": Case(diff_group_norm, single_node="more than 1 node"),
    "DiffGroupNorm untracked": Case(
        lambda irreps: diff_group_norm(irreps, affine=False, track_running_stats=False), single_node="more than 1 node"
    ),
    "AvgNumNeighborsNorm": Case(lambda irreps: nn.AvgNumNeighborsNorm(irreps, 14.3)),
    "DegreeLayerScale": Case(nn.DegreeLayerScale),
    "Dropout": Case(nn.Dropout, random=True),
    "Dropout scalars": Case(lambda irreps: nn.Dropout(irreps, 0.3, scalars_only=True), random=True),
    "ChannelDropout": Case(nn.ChannelDropout, random=True),
    "DropPath": Case(lambda irreps: nn.DropPath(irreps, 0.5), random=True),
    "GraphDropPath": Case(lambda irreps: nn.GraphDropPath(irreps, 0.5), random=True),
    "AlphaDropout": Case(nn.AlphaDropout, random=True),
    "FeatureAlphaDropout": Case(lambda irreps: nn.FeatureAlphaDropout(irreps, 0.2), random=True),
    "LayerNorm": Case(nn.LayerNorm),
    "LayerNorm norm": Case(lambda irreps: nn.LayerNorm(irreps, normalization="norm", bias=False)),
    "LayerNorm separable": Case(lambda irreps: nn.LayerNorm(irreps, scope="separable")),
    "LayerNorm separable unbalanced": Case(
        lambda irreps: nn.LayerNorm(irreps, scope="separable", balance_degrees=False, normalization="norm")
    ),
    "LayerNorm merged": Case(lambda irreps: nn.LayerNorm(irreps, scope="merged")),
    "LayerNorm merged unbalanced": Case(
        lambda irreps: nn.LayerNorm(irreps, scope="merged", balance_degrees=False, elementwise_affine=False)
    ),
    "LayerNorm uncentred": Case(lambda irreps: nn.LayerNorm(irreps, centering=False)),
    "LayerNorm of graphs": Case(lambda irreps: nn.LayerNorm(irreps, mode="graph")),
    "LayerNorm separable of graphs": Case(lambda irreps: nn.LayerNorm(irreps, scope="separable", mode="graph")),
    "LayerNorm merged of graphs": Case(
        lambda irreps: nn.LayerNorm(irreps, scope="merged", mode="graph", centering=False, normalization="norm")
    ),
    "RMSNorm": Case(nn.RMSNorm),
    "GroupNorm": Case(lambda irreps: nn.GroupNorm(irreps, 2), irreps=EVEN_IRREPS),
    # pairs of 0e about 3000 that differ by little are lost in float32, so groups of one node are larger
    "GroupNorm of nodes": Case(lambda irreps: nn.GroupNorm(irreps, 2, mode="node"), irreps="9x0e + 2x1o + 3x0e + 2x2e"),
    "GroupNorm of one group": Case(lambda irreps: nn.GroupNorm(irreps, 1, bias=False)),
    "LocalResponseNorm": Case(lambda irreps: nn.LocalResponseNorm(irreps, 2)),
    "LocalResponseNorm strong": Case(
        lambda irreps: nn.LocalResponseNorm(irreps, 3, 0.5, 0.6, 1.3, normalization="norm")
    ),
    "EvoNormB0": Case(nn.EvoNormB0),
    "EvoNormB0 average": Case(lambda irreps: nn.EvoNormB0(irreps, momentum=None, affine=False)),
    "EvoNormB0 without act": Case(lambda irreps: nn.EvoNormB0(irreps, apply_act=False)),
    "EvoNormS0": Case(lambda irreps: nn.EvoNormS0(irreps, 2), irreps=EVEN_IRREPS),
    "EvoNormS0 of nodes": Case(
        lambda irreps: nn.EvoNormS0(irreps, group_size=4, mode="node"), irreps="9x0e + 4x1o + 3x0e + 4x2e"
    ),
    "EvoNormS0 without act": Case(lambda irreps: nn.EvoNormS0(irreps, 1, apply_act=False)),
    "HeteroLayerNorm": Case(lambda irreps: nn.HeteroLayerNorm(irreps, 3), arguments=types_of_nodes),
    "HeteroLayerNorm plain": Case(lambda irreps: nn.HeteroLayerNorm(irreps, 3, affine=False), arguments=types_of_nodes),
}
"""The first word is the name of the class."""
