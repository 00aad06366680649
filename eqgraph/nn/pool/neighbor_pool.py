"""Features of few points from those of their neighbors among many."""

from torch import Tensor

from eqgraph import ops

from ..conv.inputs import sorted_edges
from .reduction import Reduction


class NeighborPool(Reduction):
    """Pool the senders of each receiver: "mean", "sum", "max" (by length) or "attention", see Reduction.

    From fine to coarse: choose receivers by eqgraph.graph.fps, find their neighbors by eqgraph.graph.knn. The relative position of the
    senders takes no part; use a convolution before, or AttentionConv instead, where it shall.

    Args:
        irreps: of senders and result.
        how: "mean", "sum", "max" or "attention".
        hidden: see Reduction.

    Raises:
        ValueError: see Reduction; if edges are no pairs of whole numbers or out of range.

    Example:
        >>> import torch
        >>> pool = NeighborPool("1x0e", "max")
        >>> pool(torch.tensor([[1.0], [3.0], [2.0]]), torch.tensor([[0, 2, 1], [0, 0, 1]]), size=(3, 2))
        tensor([[2.],
                [3.]])

    Reference: Qi et al. 2017, arXiv:1706.02413, for pooling of neighborhoods of sampled points.
    """

    def forward(self, x: Tensor, edge_index: Tensor | ops.Edges, size: tuple[int, int] | None = None) -> Tensor:
        """Senders to receivers.

        Args:
            x: (senders, irreps.dim).
            edge_index: (2, edges) whole numbers, senders in the first row, receivers in the second; or ops.Edges.
            size: numbers of senders and receivers. None: as many receivers as the largest index tells, for which a GPU must wait.

        Returns:
            (receivers, irreps.dim); zero for receivers without senders.
        """
        num_src = x.shape[0] if size is None else size[0]
        if x.dim() != 2 or x.shape != (num_src, self._dim):
            raise ValueError(
                f"NeighborPool: expected x of shape ({num_src}, {self._dim}) ('{self._text}'), got {tuple(x.shape)}. Check the irreps, "
                "and that there is one row per sender."
            )
        num_dst = 0 if size is None else size[1]
        if size is None and not isinstance(edge_index, ops.Edges) and edge_index.numel():
            num_dst = int(edge_index[-1].max()) + 1
        edges = sorted_edges("NeighborPool", edge_index, num_src, num_dst)
        return super().forward(x.index_select(0, edges.src), edges.dst, edges.num_dst)
