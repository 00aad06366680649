"""Clouds of fewer points."""

import torch
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from eqgraph.graph import fps

from .keep_points import check_single, keep_points


class SamplePoints(BaseTransform):
    """Keep num of the points; a cloud that has fewer stays as it is.

    Args:
        num: number of points.
        how: "random": others each time, in their order; "first": the first ones; "farthest": each the farthest from those before,
            whatever the orientation.

    Raises:
        ValueError: if num is less than 1, how is unknown, or for a batch or a cloud with edges.

    Example:
        >>> SamplePoints(64)(Data(pos=torch.randn(100, 3)))
        Data(pos=[64, 3])
    """

    def __init__(self, num: int, how: str = "random") -> None:
        if num < 1:
            raise ValueError(f"SamplePoints: expected num of at least 1, got {num}. Correct it.")
        if how not in ("random", "first", "farthest"):
            raise ValueError(
                f"SamplePoints: expected how='random', 'first' or 'farthest', got {how!r}. Choose one of them."
            )
        self.num, self.how = num, how

    def forward(self, data: Data) -> Data:
        check_single(data, self)
        size = len(data.pos)
        if self.num >= size:
            return data
        if self.how == "random":
            index = torch.randperm(size)[: self.num].sort().values
        elif self.how == "first":
            index = torch.arange(self.num)
        else:
            index = fps(data.pos, num=self.num)
        return keep_points(data, index.to(data.pos.device))

    def __repr__(self) -> str:
        return f"SamplePoints({self.num}, '{self.how}')"
