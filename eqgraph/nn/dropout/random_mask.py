"""What all dropouts have in common: probability, random masks, in-place results."""

import torch
from torch import Tensor

from eqgraph.nn.norm.nodes import Nodes
from eqgraph.nn.norm.norm import Norm
from eqgraph.nn.norm.numbers_of_nodes import check_numbers_of_nodes
from eqgraph.o3 import Irreps


class RandomMask(Norm):
    """A layer that in training multiplies irreps by random zeros, and in evaluation does nothing; subclasses say how in `drop`.

    All components of an irrep share one random number, without which the layer would not commute with rotations.

    Args:
        irreps: irreps of the input and output.
        p: probability of a zero.
        inplace: whether, in training, the result is written to the input tensor, which is then returned.

    Attributes:
        per_graph: whether all nodes of a graph share their random numbers; if not, each node has its own.

    Raises:
        ValueError: for p outside [0, 1], or an input that does not fit.
    """

    is_local = True
    per_graph = False

    def __init__(self, irreps: Irreps | str, p: float, inplace: bool) -> None:
        super().__init__(irreps)
        if not 0 <= p <= 1:
            raise ValueError(
                f"{type(self).__name__}: expected a probability p between 0 and 1, got {p} for irreps '{self._text}'. Choose 0 to "
                "keep everything and 1 to keep nothing."
            )
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}" + (", inplace=True" if self.inplace else "")

    def forward(
        self, x: Tensor, batch: Tensor | None = None, batch_size: int | None = None, *, mask: Tensor | None = None
    ) -> Tensor:
        """Drop; arguments as of Norm. Of an x with more than two axes all rows of x[i] share their random numbers, as in e3nn."""
        out = super().forward(x, batch, batch_size, mask=mask)
        return x.copy_(out) if self.inplace and self.training and x.numel() else out

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        return self.drop(x, nodes) if self.training and self.p > 0 else x

    def drop(self, x: Tensor, nodes: Nodes) -> Tensor:
        """(nodes, dim) features in training to features of the same shape; 0 < p <= 1."""
        raise NotImplementedError

    def draw(self, nodes: Nodes, columns: int, x: Tensor) -> Tensor:
        """(samples, columns) in the dtype of x: 0 with probability p, else 1; a sample is a node, or a graph if per_graph."""
        # float32, so that one seed gives the same masks in every precision; rand, since bernoulli_ takes five times as long on a CPU
        draws = torch.rand(nodes.num_graphs, columns, dtype=torch.float32, device=x.device)
        return draws.ge_(self.p).to(x.dtype)

    def _rows(
        self, x: Tensor, batch: Tensor | None, batch_size: int | None, mask: Tensor | None
    ) -> tuple[Tensor, Nodes]:
        if self.per_graph:
            return super()._rows(x, batch, batch_size, mask)
        check_numbers_of_nodes(self, "batch", batch, x, batch_size)
        rows, nodes = super()._rows(x, None, None, mask)
        # each row is a sample of its own, and spreading over its one node is to do nothing
        return rows, nodes._replace(graph=None, num_graphs=nodes.num) if x.dim() == 2 else nodes
