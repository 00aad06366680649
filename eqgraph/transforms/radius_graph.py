"""Edges between points that are near each other."""

from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from eqgraph.graph import radius_graph

from .graphs import graph_of_node


class RadiusGraph(BaseTransform):
    """Set data.edge_index to edges between points within a distance; torch_geometric.transforms.RadiusGraph without extensions.

    Args:
        r: the distance, in units of pos.
        loop: whether a point is its own neighbor.
        max_num_neighbors: only so many, the nearest; None: all. (PyG keeps any 32 unless told otherwise, which depends on the
            orientation.)
        flow: "source_to_target" or "target_to_source".
        num_workers: without effect, as in PyG for batches.

    Example:
        >>> import torch
        >>> RadiusGraph(1.5)(Data(pos=torch.tensor([[0.0, 0, 0], [1, 0, 0], [3, 0, 0]]))).edge_index.tolist()
        [[1, 0], [0, 1]]
    """

    def __init__(
        self,
        r: float,
        loop: bool = False,
        max_num_neighbors: int | None = None,
        flow: str = "source_to_target",
        num_workers: int = 1,
    ) -> None:
        self.r, self.loop, self.max_num_neighbors = r, loop, max_num_neighbors
        self.flow, self.num_workers = flow, num_workers

    def forward(self, data: Data) -> Data:
        batch, num_graphs = graph_of_node(data)
        data.edge_index = radius_graph(
            data.pos,
            self.r,
            batch,
            loop=self.loop,
            max_num_neighbors=self.max_num_neighbors,
            flow=self.flow,
            num_workers=self.num_workers,
            batch_size=num_graphs,
        )
        data.edge_attr = None  # of other edges
        return data

    def __repr__(self) -> str:
        return f"RadiusGraph(r={self.r})"
