"""From equivariant features of points to scores of classes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from eqgraph.nn import BatchNorm, Invariants
from eqgraph.o3 import Irreps, Linear

_MAX_CHANNELS = {"norm": 1 << 30, "power": 16, "bispectrum": 4}
"""Channels per irrep that are multiplied with each other: there are as many invariants as pairs or triples of them."""


class PointInvariants(torch.nn.Module):
    """Invariants of the features of each point, and a layer of scalars made of them.

    Args:
        irreps: of the features.
        kind: "norm", "power" or "bispectrum", see nn.Invariants.
        num_channels: channels per irrep of which invariants are made.
        num_features: numbers that come out.

    Example:
        >>> PointInvariants("4x0e + 4x1o", "norm", 8, 16)(torch.randn(5, 16)).shape
        torch.Size([5, 16])
    """

    def __init__(self, irreps: Irreps | str, kind: str, num_channels: int, num_features: int) -> None:
        super().__init__()
        irreps = Irreps(irreps)
        channels = min(num_channels, _MAX_CHANNELS[kind])
        kinds = dict.fromkeys(ir for _, ir in irreps)
        self.linear = Linear(irreps, Irreps([(num_channels if ir.is_scalar() else channels, ir) for ir in kinds]))
        self.norm = BatchNorm(self.linear.irreps_out)
        self.invariants = Invariants(self.linear.irreps_out, kind)
        self.layer = torch.nn.Sequential(
            torch.nn.Linear(self.invariants.num, num_features), torch.nn.BatchNorm1d(num_features), torch.nn.SiLU()
        )

    def forward(self, features: Tensor) -> Tensor:
        """(points, irreps.dim) -> (points, num_features)."""
        return self.layer(self.invariants(self.norm(self.linear(features))))


def class_scores(num_features: int, hidden: Sequence[int], dropout: float, num_classes: int) -> torch.nn.Sequential:
    """Linear layers with batch normalization, SiLU and dropout between them; invariant numbers need nothing else.

    Example:
        >>> class_scores(8, [16], 0.3, 3)(torch.randn(4, 8)).shape
        torch.Size([4, 3])
    """
    layers: list[torch.nn.Module] = []
    for width in hidden:
        layers += [
            torch.nn.Linear(num_features, width),
            torch.nn.BatchNorm1d(width),
            torch.nn.SiLU(),
            torch.nn.Dropout(dropout),
        ]
        num_features = width
    return torch.nn.Sequential(*layers, torch.nn.Linear(num_features, num_classes))
