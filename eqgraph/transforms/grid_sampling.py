"""One point per cell of a grid."""

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import scatter

from eqgraph.graph import voxel_grid

from .graphs import graph_of_node
from .keep_points import check_no_edges, node_keys


class GridSampling(BaseTransform):
    """Replace the points of each cell of a grid by their mean; torch_geometric.transforms.GridSampling without extensions.

    Features are averaged, too; labels of points are decided by majority, and by the lowest among equals; other whole numbers are
    those of a point of the cell. The grid has axes, so which points are merged depends on the orientation.

    Args:
        size: edge of a cell, in units of pos, or one per direction.
        start: where the grid begins; None: at the least coordinates.
        end: where it ends; None: at the greatest.

    Raises:
        ValueError: if there are edges.

    Example:
        >>> GridSampling(1.0)(Data(pos=torch.tensor([[0.0, 0, 0], [0.5, 0, 0], [2.5, 0, 0]]))).pos[:, 0]
        tensor([0.2500, 2.5000])
    """

    def __init__(
        self,
        size: float | list[float] | Tensor,
        start: float | list[float] | Tensor | None = None,
        end: float | list[float] | Tensor | None = None,
    ) -> None:
        self.size, self.start, self.end = size, start, end

    def forward(self, data: Data) -> Data:
        batch, _ = graph_of_node(data)
        check_no_edges(data, self)
        cell = voxel_grid(data.pos, self.size, batch, self.start, self.end)
        cells, cell = cell.unique(return_inverse=True)  # numbered without gaps
        num, index = len(cells), torch.arange(len(cell), device=cell.device)
        first = scatter(index, cell, 0, num, "min")
        for key in node_keys(data):
            value = data[key]
            if key == "y" and not value.is_floating_point() and value.ndim == 1:
                data[key] = scatter(torch.nn.functional.one_hot(value), cell, 0, num, "sum").argmax(1)
            elif value.is_floating_point():
                data[key] = scatter(value, cell, 0, num, "mean")
            else:
                data[key] = value[first]
        if "num_nodes" in data:
            data.num_nodes = num
        return data

    def __repr__(self) -> str:
        return f"GridSampling(size={self.size})"
