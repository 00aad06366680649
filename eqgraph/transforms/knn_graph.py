"""Edges from the nearest neighbors."""

from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import to_undirected

from eqgraph.graph import knn_graph

from .graphs import graph_of_node


class KNNGraph(BaseTransform):
    """Set data.edge_index to edges from the k nearest points to each; torch_geometric.transforms.KNNGraph without extensions.

    Args:
        k: number of neighbors; clouds that have fewer take all.
        loop: whether a point is its own neighbor.
        force_undirected: whether the reverse of each edge is added.
        flow: "source_to_target": edges point from neighbors to the point; "target_to_source": the other way round.
        cosine: whether the distance is 1 - cos of the angle between points.
        num_workers: without effect, as in PyG for batches.

    Example:
        >>> import torch
        >>> KNNGraph(k=2)(Data(pos=torch.randn(10, 3))).num_edges
        20
    """

    def __init__(
        self,
        k: int = 6,
        loop: bool = False,
        force_undirected: bool = False,
        flow: str = "source_to_target",
        cosine: bool = False,
        num_workers: int = 1,
    ) -> None:
        self.k, self.loop, self.force_undirected = k, loop, force_undirected
        self.flow, self.cosine, self.num_workers = flow, cosine, num_workers

    def forward(self, data: Data) -> Data:
        batch, num_graphs = graph_of_node(data)
        edge_index = knn_graph(
            data.pos,
            self.k,
            batch,
            loop=self.loop,
            flow=self.flow,
            cosine=self.cosine,
            num_workers=self.num_workers,
            batch_size=num_graphs,
        )
        data.edge_index = to_undirected(edge_index, num_nodes=len(data.pos)) if self.force_undirected else edge_index
        data.edge_attr = None  # of other edges
        return data

    def __repr__(self) -> str:
        return f"KNNGraph(k={self.k})"
