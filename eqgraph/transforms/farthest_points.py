"""Points far from each other."""

from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from eqgraph.graph import fps

from .keep_points import check_single, keep_points


class FarthestPoints(BaseTransform):
    """Keep points each of which is the farthest from those before, in this order.

    Args:
        num: number of points; a cloud that has fewer keeps all.
        ratio: instead, which part of the points.
        random_start: whether the first is drawn at random; otherwise it is one that no rotation changes.

    Raises:
        ValueError: unless one of num and ratio is given, positive, or for a batch or a cloud with edges.

    Example:
        >>> import torch
        >>> line = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [9, 0, 0]])
        >>> sorted(FarthestPoints(num=2)(Data(pos=line)).pos[:, 0].tolist())
        [0.0, 9.0]

    Reference: Eldar et al. 1997, doi:10.1109/83.623193.
    """

    def __init__(self, num: int | None = None, ratio: float | None = None, random_start: bool = False) -> None:
        if (
            (num is None) == (ratio is None)
            or (num is not None and num < 1)
            or (ratio is not None and not 0 < ratio <= 1)
        ):
            raise ValueError(
                f"FarthestPoints: expected either num of at least 1 or ratio in (0, 1], got num={num}, ratio={ratio}. Give one."
            )
        self.num, self.ratio, self.random_start = num, ratio, random_start

    def forward(self, data: Data) -> Data:
        check_single(data, self)
        if self.num is None:
            return keep_points(data, fps(data.pos, ratio=self.ratio, random_start=self.random_start))
        num = min(self.num, len(data.pos))
        return keep_points(data, fps(data.pos, num=num, random_start=self.random_start))

    def __repr__(self) -> str:
        return f"FarthestPoints(num={self.num})" if self.ratio is None else f"FarthestPoints(ratio={self.ratio})"
