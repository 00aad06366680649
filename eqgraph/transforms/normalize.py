"""Clouds of the same place and size."""

import torch
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import scatter

from .graphs import graph_of_node


class Normalize(BaseTransform):
    """Move the centroid of each cloud to the origin and divide by its size, which no rotation changes.

    pos ← (pos - μ) / s   with s = max |pos - μ| ("sphere") or s = √(mean |pos - μ|² / 3) ("std")

    A cloud whose points are all at one place is only moved. (PyG's NormalizeScale divides by the greatest coordinate, which depends
    on the orientation.)

    Args:
        how: "sphere": into the unit sphere; "std": mean square of the coordinates 1.

    Raises:
        ValueError: for an unknown how.

    Example:
        >>> Normalize()(Data(pos=torch.tensor([[1.0, 1.0, 5.0], [1.0, 1.0, 1.0]]))).pos
        tensor([[ 0.,  0.,  1.],
                [ 0.,  0., -1.]])
    """

    def __init__(self, how: str = "sphere") -> None:
        if how not in ("sphere", "std"):
            raise ValueError(f"Normalize: expected how='sphere' or 'std', got {how!r}. Choose one of them.")
        self.how = how

    def forward(self, data: Data) -> Data:
        graph, num_graphs = graph_of_node(data)
        is_sphere = self.how == "sphere"
        if graph is None:
            centered = data.pos - data.pos.mean(0)
            squares = centered.square().sum(1, keepdim=True)
            size = squares.amax(0) if is_sphere else squares.mean(0)
        else:
            centered = data.pos - scatter(data.pos, graph, 0, num_graphs, "mean")[graph]
            size = scatter(
                centered.square().sum(1, keepdim=True), graph, 0, num_graphs, "max" if is_sphere else "mean"
            )[graph]
        size = (size if is_sphere else size / 3).sqrt()
        data.pos = centered / torch.where(size > 0, size, 1)
        return data

    def __repr__(self) -> str:
        return f"Normalize('{self.how}')"
