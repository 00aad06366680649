"""Make clouds larger or smaller at random."""

import torch
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from .graphs import graph_of_node


class RandomScale(BaseTransform):
    """Multiply each cloud by a factor drawn uniformly from [low, high], the same in all directions.

    Args:
        low: smallest factor.
        high: greatest factor.

    Raises:
        ValueError: unless 0 < low <= high.

    Example:
        >>> bool(RandomScale(2.0, 3.0)(Data(pos=torch.ones(1, 3))).pos.min() >= 2)
        True
    """

    def __init__(self, low: float = 2 / 3, high: float = 3 / 2) -> None:
        if not 0 < low <= high:
            raise ValueError(f"RandomScale: expected 0 < low <= high, got {low} and {high}. Correct them.")
        self.low, self.high = low, high

    def forward(self, data: Data) -> Data:
        graph, num_graphs = graph_of_node(data)
        factor = self.low + (self.high - self.low) * torch.rand(num_graphs, 1, dtype=data.pos.dtype).to(data.pos.device)
        data.pos = data.pos * (factor if graph is None else factor[graph])
        return data

    def __repr__(self) -> str:
        return f"RandomScale({self.low:.4g}, {self.high:.4g})"
