"""Normalizations of nodes of several types, each with parameters of its own."""

from torch import Tensor

from .norm import Norm
from .numbers_of_nodes import check_numbers_of_nodes


class PerType(Norm):
    """Mixed into a normalization for which the graph of a node is its type.

    Attributes:
        num_types: how many types there are.
    """

    num_types: int

    def forward(
        self,
        x: Tensor,
        type_vec: Tensor,
        batch: Tensor | None = None,
        batch_size: int | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Normalize.

        Args:
            x: (nodes, irreps.dim).
            type_vec: (nodes,) int64, the type of each node, also of those that are padding, from 0 to num_types - 1.
            batch: (nodes,) int64; graphs make no difference here.
            batch_size: number of graphs.
            mask: (nodes,) bool, False for rows that are padding.

        Returns:
            like x.

        Raises:
            ValueError: if a shape does not fit.
        """
        check_numbers_of_nodes(self, "type_vec", type_vec, x, self.num_types)
        check_numbers_of_nodes(self, "batch", batch, x, batch_size)
        return super().forward(x, type_vec, self.num_types, mask=mask)
