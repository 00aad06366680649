"""Leave out points at random."""

import torch
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from .keep_points import check_single, keep_points


class PointDropout(BaseTransform):
    """Leave out a random part of the points: a ratio drawn uniformly from [0, max_ratio], and at least one stays.

    Args:
        max_ratio: greatest part that is left out.

    Raises:
        ValueError: unless 0 <= max_ratio <= 1, or for a batch or a cloud with edges.

    Example:
        >>> PointDropout(0.5)(Data(pos=torch.randn(100, 3))).num_nodes >= 50
        True

    Reference: Qi et al. 2017, arXiv:1706.02413; there, points that are left out are replaced by the first.
    """

    def __init__(self, max_ratio: float = 0.875) -> None:
        if not 0 <= max_ratio <= 1:
            raise ValueError(f"PointDropout: expected max_ratio between 0 and 1, got {max_ratio}. Correct it.")
        self.max_ratio = max_ratio

    def forward(self, data: Data) -> Data:
        check_single(data, self)
        num = len(data.pos)
        kept = min(num, max(1, round(num * (1 - self.max_ratio * float(torch.rand(()))))))
        return keep_points(data, torch.randperm(num)[:kept].sort().values.to(data.pos.device))

    def __repr__(self) -> str:
        return f"PointDropout({self.max_ratio})"
