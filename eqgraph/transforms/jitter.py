"""Displace points at random."""

import torch
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from .graphs import graph_of_node


class Jitter(BaseTransform):
    """Add normal noise to each coordinate; displacements are not longer than clip.

    The length is clipped, not the components, so that no direction is preferred.

    Args:
        std: standard deviation of each component, in units of pos.
        clip: greatest length of a displacement, in units of pos; None: no limit.

    Raises:
        ValueError: if std or clip is negative.

    Example:
        >>> data = Data(pos=torch.zeros(10, 3))
        >>> bool(Jitter(0.01, clip=0.02)(data).pos.norm(dim=1).max() <= 0.0200001)
        True
    """

    def __init__(self, std: float = 0.01, clip: float | None = 0.05) -> None:
        if std < 0 or (clip is not None and clip < 0):
            raise ValueError(f"Jitter: expected std and clip of at least 0, got {std} and {clip}. Correct them.")
        self.std, self.clip = std, clip

    def forward(self, data: Data) -> Data:
        graph_of_node(data)  # checks
        shift = torch.randn(data.pos.shape, dtype=data.pos.dtype).to(data.pos.device) * self.std
        if self.clip is not None:
            length = shift.norm(dim=1, keepdim=True).clamp(min=torch.finfo(shift.dtype).tiny)
            shift = shift * (self.clip / length).clamp(max=1)
        data.pos = data.pos + shift
        return data

    def __repr__(self) -> str:
        return f"Jitter(std={self.std}, clip={self.clip})"
