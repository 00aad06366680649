"""Normals of a surface of which there are only points."""

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from eqgraph.graph import knn_graph

from .graphs import graph_of_node


class EstimateNormals(BaseTransform):
    """Append unit normals (1x1o) to data.x: the direction in which the nearest neighbors of a point spread least.

    n = eigenvector of the least eigenvalue of Σ_j (p_j - μ)(p_j - μ)ᵀ over the k nearest p_j and the point, n · (p - c) >= 0

    The sign points away from the centroid c of the cloud, which is right for convex objects and, whatever the object, turns with
    it: normals of a rotated or reflected cloud are the rotated or reflected normals. Where there is no such direction (fewer than
    three points, points on a line, a neighborhood as thick as wide) the normal is zero.

    Args:
        k: number of neighbors; clouds that have fewer take all.

    Raises:
        ValueError: if k is less than 2.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> plane = torch.cat([torch.rand(20, 2), torch.zeros(20, 1)], dim=1)
        >>> EstimateNormals(k=8)(Data(pos=plane)).x.abs().sum(0)
        tensor([ 0.,  0., 20.])

    Reference: Hoppe et al. 1992, doi:10.1145/133994.134011.
    """

    def __init__(self, k: int = 16) -> None:
        if k < 2:
            raise ValueError(f"EstimateNormals: expected at least k=2 neighbors, got {k}. A plane needs three points.")
        self.k = k

    def forward(self, data: Data) -> Data:
        graph, num_graphs = graph_of_node(data)
        graph = torch.zeros(len(data.pos), dtype=torch.int64, device=data.pos.device) if graph is None else graph
        pos = data.pos.double()  # differences of eigenvalues decide
        normals = _normals(pos, knn_graph(pos, self.k, graph))
        sums = pos.new_zeros(num_graphs, 3).index_add(0, graph, pos)
        counts = torch.bincount(graph, minlength=num_graphs).clamp(min=1)
        outward = ((pos - (sums / counts[:, None])[graph]) * normals).sum(1, keepdim=True)
        normals = torch.where(outward < 0, -normals, normals).to(data.pos.dtype)
        data.x = normals if data.x is None else torch.cat([data.x, normals], dim=1)
        return data

    def __repr__(self) -> str:
        return f"EstimateNormals(k={self.k})"


_MIN_GAP = 1e-6
"""Eigenvalues nearer to each other than this part of the greatest leave the direction to rounding."""


def _normals(pos: Tensor, edge_index: Tensor) -> Tensor:
    src, dst = edge_index
    offsets = pos[src] - pos[dst]  # the point itself has the offset 0
    count = torch.bincount(dst, minlength=len(pos)).to(pos)[:, None] + 1
    mean = torch.zeros_like(pos).index_add(0, dst, offsets) / count
    squares = pos.new_zeros(len(pos), 3, 3).index_add(0, dst, offsets[:, :, None] * offsets[:, None, :])
    values, vectors = torch.linalg.eigh(squares - count[..., None] * mean[:, :, None] * mean[:, None, :])
    is_clear = values[:, 1] - values[:, 0] > _MIN_GAP * values[:, 2]
    return torch.where(is_clear[:, None], vectors[:, :, 0], 0)
