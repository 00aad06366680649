"""Rows of features to one row per group, in a way that commutes with rotations and inversion."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps
from eqgraph.ops import segment_sum

from ..activation import EdgeSoftmax
from ..fully_connected import FullyConnectedNet
from ..invariants import Invariants
from ..norm.layout import Layout

HOW = ("mean", "sum", "max", "attention")


class Reduction(torch.nn.Module):
    """Reduce the rows of each group to one: what GlobalPool and NeighborPool share.

    mean        y_g = Σ_{i ∈ g} x_i / n_g
    sum         y_g = Σ_{i ∈ g} x_i
    max         y_g = max x_i for 0e; for each other copy of an irrep the x_i with the largest |x_i|
    attention   y_g = Σ_{i ∈ g} a_i x_i,   a = softmax over the group of a learned function of the invariants of x_i

    Groups without rows get zero. The order of rows does not matter: rows that tie for the maximum count in equal parts, and gradients
    go to the winners. Lengths that differ in the last digits only tie too, or points that are equal by symmetry would be told apart
    by rounding. Still, "max" jumps where the winner changes to one of another direction; "attention" is smooth.

    Args:
        irreps: of the rows.
        how: "mean", "sum", "max" or "attention".
        hidden: width of the hidden layer of the function of invariants, for "attention".

    Raises:
        ValueError: if how is another word, or a shape does not fit.

    Example:
        >>> x = torch.tensor([[1.0, 3.0, 0.0, 0.0], [2.0, 0.0, -1.0, 0.0]])
        >>> Reduction("0e + 1o", "max")(x, torch.tensor([0, 0]), 1)
        tensor([[2., 3., 0., 0.]])

    Reference: for attention Li et al. 2016, arXiv:1511.05493, eq. (7).
    """

    def __init__(self, irreps: Irreps | str, how: str = "mean", hidden: int = 32) -> None:
        super().__init__()
        self.irreps = self.irreps_in = self.irreps_out = Irreps(irreps)
        if how not in HOW:
            raise ValueError(
                f"{type(self).__name__}: expected how to be one of {', '.join(HOW)}, got {how!r}. Choose one of these."
            )
        self.how, self._dim, self._text = how, self.irreps.dim, str(self.irreps)
        self.layout = Layout(self.irreps) if how == "max" else None
        self.invariants = self.score = self.softmax = None
        if how == "attention":
            self.invariants = Invariants(self.irreps, "norm")
            self.score = FullyConnectedNet([self.invariants.num, hidden, 1], torch.nn.functional.silu)
            self.softmax = EdgeSoftmax()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._text}, how='{self.how}')"

    def reset_parameters(self) -> None:
        """Draw the weights of attention anew."""
        if self.score is not None:
            self.score.reset_parameters()

    def forward(self, x: Tensor, index: Tensor, num_groups: int) -> Tensor:
        """Rows to groups.

        Args:
            x: (rows, irreps.dim).
            index: (rows,) int64, the group of each row, in 0 ... num_groups - 1, in any order.
            num_groups: number of groups.

        Returns:
            (num_groups, irreps.dim).
        """
        self._check(x, index, num_groups)
        if self.how == "attention":
            return segment_sum(x * self.softmax(self.score(self.invariants(x)), index, num_groups), index, num_groups)
        if self.how == "max":
            return segment_sum(self.layout.scaled(x, self._shares(x, index, num_groups)), index, num_groups)
        total = segment_sum(x, index, num_groups)
        if self.how == "sum":
            return total
        return total / segment_sum(x.new_ones(len(x), 1), index, num_groups).clamp(min=1)

    @torch.no_grad()
    def _shares(self, x: Tensor, index: Tensor, num_groups: int) -> Tensor:
        """(rows, num_copies): one for the winner, equal parts for rows that tie, zero for the others."""
        sizes = self.layout.power(x, "norm")
        # exactly the largest for 0e, whose maximum is continuous
        tolerance = torch.full((self.layout.num_copies,), 64 * torch.finfo(x.dtype).eps, dtype=x.dtype, device=x.device)
        tolerance = tolerance.index_fill(0, self.layout.scalar_copies, 0)
        sizes = sizes.index_copy(1, self.layout.scalar_copies, x.index_select(1, self.layout.scalar_columns))
        rows = index.unsqueeze(1).expand_as(sizes)
        largest = sizes.new_full((num_groups, sizes.shape[1]), -torch.inf).scatter_reduce(0, rows, sizes, "amax")
        largest = largest.index_select(0, index)
        wins = (sizes >= largest - tolerance * largest.abs()).to(x.dtype)
        return wins / segment_sum(wins, index, num_groups).index_select(0, index)

    def _check(self, x: Tensor, index: Tensor, num_groups: int | None) -> None:
        name = type(self).__name__
        if x.dim() != 2 or x.shape[1] != self._dim:
            raise ValueError(
                f"{name}: expected features of shape (rows, {self._dim}) ('{self._text}'), got {tuple(x.shape)}. Check their irreps."
            )
        if index.shape != x.shape[:1] or index.is_floating_point() or index.dtype == torch.bool:
            raise ValueError(
                f"{name}: expected the group of each row as {x.shape[0]} whole numbers, got shape {tuple(index.shape)} of "
                f"{index.dtype}. Pass the graph of each node, or the receiver of each edge."
            )
        on_cpu = index.device.type == "cpu"  # a GPU would have to wait
        if on_cpu and len(index) and num_groups is not None and not torch.compiler.is_compiling():
            low, high = index.aminmax()
            if low < 0 or high >= num_groups:
                raise ValueError(
                    f"{name}: expected groups in 0 ... {num_groups - 1}, got {int(low)} ... {int(high)}. Check batch and batch_size."
                )
