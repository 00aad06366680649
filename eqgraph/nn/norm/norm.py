"""What all normalizations have in common: shapes, precision, masks, graphs."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .layout import Layout
from .nodes import Nodes
from .numbers_of_nodes import check_numbers_of_nodes


class Norm(torch.nn.Module):
    """A layer that takes features of nodes to features of the same irreps; subclasses say how in `normalize`.

    Statistics are taken, and results computed, in float32 at least, whatever the dtype of the input and with autocast off; the output
    has the dtype of the input. Rows with a mask of False contribute to nothing and come out zero.

    Args:
        irreps: irreps of the input and output.

    Attributes:
        is_local: whether in evaluation (by running statistics, for some) a node's output depends on that node alone: energies stay
            local and extensive.
        couples_graphs: whether, in training, a graph's output depends on the other graphs of the batch.
        smooth: whether the output has continuous derivatives of all orders, as forces need it.
    """

    is_local = False
    couples_graphs = False
    smooth = True
    frozen = False
    """Whether it stays in evaluation while the network trains: see freeze_batch_stats."""

    def __init__(self, irreps: Irreps | str) -> None:
        super().__init__()
        self.irreps = Irreps(irreps)
        self.layout = Layout(self.irreps)
        self._text = str(self.irreps)

    def forward(
        self, x: Tensor, batch: Tensor | None = None, batch_size: int | None = None, *, mask: Tensor | None = None
    ) -> Tensor:
        """Normalize.

        Args:
            x: (nodes, irreps.dim); or (graphs, ..., irreps.dim), where all rows of x[i] belong to graph i.
            batch: (nodes,) int64, the graph of each node, in any order; None: all nodes in one graph.
            batch_size: number of graphs; if None, found by looking at batch, for which a GPU must wait.
            mask: (nodes,) bool, False for rows that are padding.

        Returns:
            like x.

        Raises:
            ValueError: if a shape does not fit.
        """
        rows, nodes = self._rows(x, batch, batch_size, mask)
        if rows.numel() == 0:
            return self._without_rows(x)
        with torch.autocast(x.device.type, enabled=False):
            out = self.normalize(rows, nodes)
        return nodes.masked(out).to(x.dtype).reshape(x.shape)

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        """(nodes, dim) features, float32 or float64, zero where they do not count, to features of the same shape."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> "Norm":
        """As of any module, except that a frozen layer stays in evaluation."""
        return super().train(mode and not self.frozen)

    def reset_parameters(self) -> None:
        """Set parameters and statistics to what they are at first."""

    def _rows(
        self, x: Tensor, batch: Tensor | None, batch_size: int | None, mask: Tensor | None
    ) -> tuple[Tensor, Nodes]:
        name = type(self).__name__
        if x.dim() < 2 or x.shape[-1] != self.layout.dim:
            raise ValueError(
                f"{name}: expected input of shape (nodes, {self.layout.dim}) or (graphs, ..., {self.layout.dim}) for irreps "
                f"'{self._text}', got {tuple(x.shape)}. Check the irreps of the layer before."
            )
        check_numbers_of_nodes(self, "batch", batch, x, batch_size)
        if mask is not None and (mask.shape != x.shape[:-1] or mask.dtype != torch.bool):
            raise ValueError(
                f"{name}: expected a mask of dtype bool and shape {tuple(x.shape[:-1])}, got {tuple(mask.shape)} of {mask.dtype}. "
                "Give one truth value per row."
            )
        rows = x.reshape(x.shape[:-1].numel(), x.shape[-1])
        if rows.dtype in (torch.float16, torch.bfloat16):
            rows = rows.float()
        graph, num_graphs = batch, 1
        if batch is not None:
            num_graphs = batch_size if batch_size is not None else int(batch.max()) + 1 if len(batch) else 0
        elif x.dim() > 2:
            num_graphs = x.shape[0]
            graph = torch.arange(num_graphs, device=x.device).repeat_interleave(x[0, ..., 0].numel())
        if mask is not None:
            rows = rows.masked_fill(~mask.reshape(-1, 1), 0.0)
            mask = mask.reshape(-1, 1).to(rows.dtype)
        return rows, Nodes(rows.shape[0], graph, num_graphs, mask)

    def _without_rows(self, x: Tensor) -> Tensor:
        """x, which is empty, with gradients of parameters that are zero and not missing: DistributedDataParallel waits for all."""
        return x + sum(parameter.sum() for parameter in self.parameters())

    def __repr__(self) -> str:
        extra = self.extra_repr()
        return f"{type(self).__name__} ({self._text}{', ' if extra else ''}{extra})"
