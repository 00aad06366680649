"""One row of features for each graph."""

import torch
from torch import Tensor

from .reduction import Reduction


class GlobalPool(Reduction):
    """Pool the nodes of each graph: "mean", "sum", "max" (by length) or "attention", see Reduction.

    Args:
        irreps: of the nodes and of the result.
        how: "mean", "sum", "max" or "attention".
        hidden: see Reduction.

    Raises:
        ValueError: see Reduction; or if a graph is not in 0 ... batch_size - 1.

    Example:
        >>> pool = GlobalPool("1x0e + 1x1o", "mean")
        >>> pool(torch.tensor([[1.0, 0, 0, 2], [3.0, 0, 0, 4], [5.0, 1, 1, 1]]), torch.tensor([0, 0, 1]))
        tensor([[2., 0., 0., 3.],
                [5., 1., 1., 1.]])
    """

    def forward(self, x: Tensor, batch: Tensor | None = None, batch_size: int | None = None) -> Tensor:
        """Nodes to graphs.

        Args:
            x: (nodes, irreps.dim).
            batch: (nodes,) int64, the graph of each node, in any order; None: all nodes in one graph.
            batch_size: number of graphs; if None, found by looking at batch, for which a GPU must wait.

        Returns:
            (graphs, irreps.dim); zero for graphs without nodes.
        """
        if batch is None:
            batch, batch_size = torch.zeros(x.shape[:1], dtype=torch.int64, device=x.device), 1
        self._check(x, batch, batch_size)
        if batch_size is None:
            batch_size = int(batch.max()) + 1 if len(batch) else 0
        return super().forward(x, batch, batch_size)
