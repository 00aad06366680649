"""Division of sums over neighbors by a constant."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .nodes import Nodes
from .norm import Norm
from .numbers_of_nodes import check_numbers_of_nodes


class AvgNumNeighborsNorm(Norm):
    """Divide by the square root of the average number of neighbors: sums over neighbors then have variances of about one.

    y_i = x_i / sqrt(n̄)   or, with a number for each type of node,   y_i = x_i / sqrt(n̄_{t(i)})

    A constant, so that the output of a node depends on no other node, on no neighbor coming or going, and energies stay smooth,
    local and extensive: the normalization to begin with in potentials.

    Args:
        irreps: irreps of the input and output.
        avg_num_neighbors: n̄, the average number of incoming edges of the training graphs, or one number for each type; a buffer,
            saved with the weights.

    Raises:
        ValueError: for an average that is not positive, types that are missing or were not asked for, or an input that does not fit.

    Example:
        >>> norm = AvgNumNeighborsNorm("1x0e", 4.0)
        >>> norm, norm(torch.ones(1, 1))
        (AvgNumNeighborsNorm (1x0e, avg_num_neighbors=4.0), tensor([[0.5000]]))
        >>> norm = AvgNumNeighborsNorm("1x0e", [4.0, 16.0])
        >>> norm(torch.ones(3, 1), type_vec=torch.tensor([1, 0, 1])).flatten()
        tensor([0.2500, 0.5000, 0.2500])

    Reference: Batzner et al. 2022, arXiv:2101.03164; the numbers of types as in nequip's AvgNumNeighborsNorm.
    """

    is_local = True

    def __init__(self, irreps: Irreps | str, avg_num_neighbors: float | Sequence[float]) -> None:
        super().__init__(irreps)
        averages = list(avg_num_neighbors) if isinstance(avg_num_neighbors, Sequence) else [avg_num_neighbors]
        if not averages or not all(math.isfinite(average) and average > 0 for average in averages):
            raise ValueError(
                f"AvgNumNeighborsNorm: expected a positive avg_num_neighbors, or one for each type of node, got {avg_num_neighbors}. "
                "Use the mean number of incoming edges of the training graphs, or 1.0."
            )
        self.per_type = isinstance(avg_num_neighbors, Sequence)
        self.register_buffer(
            "avg_num_neighbors", torch.tensor([float(n) for n in averages] if self.per_type else float(averages[0]))
        )

    def extra_repr(self) -> str:
        return f"avg_num_neighbors={self.avg_num_neighbors.tolist()}"

    def forward(
        self,
        x: Tensor,
        batch: Tensor | None = None,
        batch_size: int | None = None,
        *,
        mask: Tensor | None = None,
        type_vec: Tensor | None = None,
    ) -> Tensor:
        """Divide; type_vec (nodes,) int64 is the type of each node, also of those that are padding; the others as of Norm."""
        if self.per_type != (type_vec is not None):
            raise ValueError(
                f"AvgNumNeighborsNorm: expected {'a' if self.per_type else 'no'} type_vec with avg_num_neighbors="
                f"{self.avg_num_neighbors.tolist()}, got {'none' if type_vec is None else tuple(type_vec.shape)}. "
                "Pass types with a number for each type, and only then."
            )
        check_numbers_of_nodes(self, "batch", batch, x, batch_size)
        if type_vec is None:
            return super().forward(x, mask=mask)  # graphs make no difference
        check_numbers_of_nodes(self, "type_vec", type_vec, x, len(self.avg_num_neighbors))
        return super().forward(x, type_vec, len(self.avg_num_neighbors), mask=mask)

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        """Here the graph of a node is its type."""
        factors = self.avg_num_neighbors.to(x.dtype).rsqrt()
        return x * (nodes.spread(factors.unsqueeze(1)) if self.per_type else factors)

    def _apply(self, fn: Callable, recurse: bool = True) -> "AvgNumNeighborsNorm":
        kept = self.avg_num_neighbors
        super()._apply(fn, recurse)
        if self.avg_num_neighbors.dtype in (torch.float16, torch.bfloat16):
            self.avg_num_neighbors = kept.to(self.avg_num_neighbors.device)  # half precision is for features
        return self
