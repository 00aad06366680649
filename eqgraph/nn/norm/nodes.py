"""Which nodes belong together, and sums and means over them."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .row_blocks import row_blocks


class Nodes(NamedTuple):
    """The rows that a normalization sees: which graph each belongs to, and which count."""

    num: int
    """Number of rows."""
    graph: Tensor | None
    """(nodes,) int64, the graph of each row; None if there is one graph."""
    num_graphs: int
    mask: Tensor | None
    """(nodes, 1) ones for rows that count, zeros for the others; None if all count."""

    def masked(self, values: Tensor) -> Tensor:
        """values (nodes, columns), with zeros where rows do not count."""
        return values if self.mask is None else values * self.mask

    def total(self, values: Tensor) -> Tensor:
        """(nodes, columns) -> (columns,): the sum over all nodes of the batch."""
        return self.masked(values).sum(0)

    def average(self, values: Tensor) -> Tensor:
        """(nodes, columns) -> (columns,): the mean over all nodes of the batch; zero if there are none."""
        return self.total(values) / self.count(values).clamp(min=1)

    def count(self, like: Tensor) -> Tensor:
        """() how many nodes count, in the dtype of another tensor."""
        return like.new_tensor(self.num) if self.mask is None else self.mask.to(like.dtype).sum()

    def graph_total(self, values: Tensor) -> Tensor:
        """(nodes, columns) -> (graphs, columns): the sum over the nodes of each graph."""
        values = self.masked(values)
        if self.graph is None:
            return values.sum(0, keepdim=True)
        return values.new_zeros(self.num_graphs, values.shape[1]).index_add(0, self.graph, values)

    def graph_average(self, values: Tensor) -> Tensor:
        """(nodes, columns) -> (graphs, columns): the mean over the nodes of each graph; zero for empty graphs."""
        return self.graph_total(values) / self.graph_count(values).clamp(min=1)

    def graph_count(self, like: Tensor) -> Tensor:
        """(graphs, 1) how many nodes of each graph count."""
        return self.graph_total(like.new_ones(self.num, 1))

    def graph_maximum(self, values: Tensor) -> Tensor:
        """(nodes, columns) -> (graphs, columns): the largest of values that are not negative; zero for empty graphs.

        Its gradient goes in equal parts to all nodes that reach the maximum.
        """
        values = self.masked(values)
        with torch.no_grad():
            index = values.new_zeros(self.num, dtype=torch.int64) if self.graph is None else self.graph
            largest = values.new_zeros(self.num_graphs, values.shape[1])
            largest = largest.scatter_reduce(0, index.unsqueeze(1).expand_as(values), values, "amax")
            chosen = self.masked((values == largest.index_select(0, index)).to(values.dtype))
            chosen = chosen / self.graph_total(chosen).clamp(min=1).index_select(0, index)
        return self.graph_total(chosen * values)

    def spread(self, statistics: Tensor) -> Tensor:
        """(graphs, columns) -> (nodes, columns), or (1, columns) if there is one graph: what belongs to the graph of each node."""
        return statistics if self.graph is None else statistics.index_select(0, self.graph)

    def spread_if_many(self, statistics: Tensor) -> Tensor:
        """As spread; (1, columns) are those of all nodes, however many graphs there are."""
        return statistics if len(statistics) == 1 else self.spread(statistics)

    def row_blocks(self, *values: Tensor) -> Iterator[tuple["Nodes", ...]]:
        """Successive nodes with their rows of each of values (nodes, columns), so few that they fit into the cache.

        Example:
            >>> nodes = Nodes(2, torch.tensor([0, 1]), 2, None)
            >>> [(block.num, rows.shape) for block, rows in nodes.row_blocks(torch.zeros(2, 3))]
            [(2, torch.Size([2, 3]))]
        """
        start = 0
        for rows in zip(*(row_blocks(value) for value in values), strict=True):
            stop = start + len(rows[0])
            graph, mask = (None if one is None else one[start:stop] for one in (self.graph, self.mask))
            yield Nodes(stop - start, graph, self.num_graphs, mask), *rows
            start = stop

    def add_graph_total(self, totals: Tensor, values: Tensor) -> None:
        """Add the sums of values (nodes, columns) over the nodes of each graph to totals (graphs, columns), in place."""
        values = self.masked(values)
        if self.graph is None:
            totals.add_(values.sum(0, keepdim=True))
        else:
            totals.index_add_(0, self.graph, values)
