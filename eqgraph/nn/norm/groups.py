"""Irreps that share their statistics."""

from collections.abc import Sequence

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .type_blocks import TypeBlocks


class Groups(TypeBlocks):
    """Each type (l, p) cut into groups of consecutive irreps, with one mean of the 0e and one mean square for each group.

    What belongs to groups comes to their columns by products with small matrices, one per type: faster than reshaping rows.

    Args:
        irreps: of a row.
        num_groups: number of groups of each type, as in `types`; each divides the number of irreps of its type.
        normalization: what a mean square is of: |x|² / (2l + 1) ("component") or |x|² ("norm").

    Attributes:
        num: number of groups of all types.

    Example:
        >>> groups = Groups("4x0e + 1x1o", [2, 1])
        >>> x = torch.tensor([[1.0, 3.0, 5.0, 5.0, 1.0, 2.0, 3.0]])
        >>> groups.scalar_mean(x[:, :4])
        tensor([[2., 2., 5., 5.]])
        >>> groups.mean(groups.split(x.square()))
        tensor([[ 5.0000, 25.0000,  4.6667]])
    """

    def __init__(self, irreps: Irreps | str, num_groups: Sequence[int], normalization: str = "component") -> None:
        super().__init__(irreps)
        self.num_groups, self.num = list(num_groups), sum(num_groups)
        self._mul_of_group = [mul // number for (mul, _, _), number in zip(self.types, self.num_groups, strict=True)]
        self._divisors = [
            mul * (dim if normalization == "component" else 1)
            for (_, dim, _), mul in zip(self.types, self._mul_of_group, strict=True)
        ]
        for number, ((mul, dim, _), groups) in enumerate(zip(self.types, self.num_groups, strict=True)):
            members = torch.eye(groups, dtype=torch.bool).repeat_interleave(mul // groups * dim, 1)
            self.register_buffer(f"_members_{number}", members, persistent=False)

    def members(self, dtype: torch.dtype, weight: Tensor | None = None) -> list[Tensor]:
        """For each type (groups, mul (2l + 1)): where a column is in a group one, or its weight of weights (num_copies,); else zero."""
        members = [getattr(self, f"_members_{number}").to(dtype) for number in range(len(self.types))]
        if weight is None:
            return members
        weights = zip(members, self.split_copies(weight), self.types, strict=True)
        return [one * (part if dim == 1 else part.repeat_interleave(dim)) for one, part, (_, dim, _) in weights]

    def scalar_mean(self, scalars: Tensor) -> Tensor:
        """(rows, num_scalars) -> the same shape: the mean of the 0e of the group of each."""
        number = [is_scalar for _, _, is_scalar in self.types].index(True)
        members = self.members(scalars.dtype)[number]
        return (scalars @ members.T / self._mul_of_group[number]) @ members

    def mean(self, squares: Sequence[Tensor]) -> Tensor:
        """Squares (rows, mul (2l + 1)) of each type -> (rows, num): their means."""
        parts = zip(squares, self.num_groups, self._divisors, strict=True)
        return torch.cat(
            [square.unflatten(-1, (groups, -1)).sum(-1) / divisor for square, groups, divisor in parts], -1
        )

    def mean_gradient(self, g: Tensor) -> list[Tensor]:
        """(rows, num) gradients of the means -> (rows, mul (2l + 1)) of the squares, of each type."""
        parts = zip(g.split(self.num_groups, -1), self.members(g.dtype), self._divisors, strict=True)
        return [(part / divisor) @ members for part, members, divisor in parts]

    def to_columns(self, values: Tensor, weight: Tensor | None = None) -> list[Tensor]:
        """(rows, num) -> (rows, mul (2l + 1)) of each type: what belongs to a group for its columns, times weights (num_copies,)."""
        members = self.members(values.dtype, weight)
        return [value @ member for value, member in zip(values.split(self.num_groups, -1), members, strict=True)]

    def to_columns_gradient(
        self, products: Sequence[Tensor], values: Tensor, weight: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Gradients (rows, mul (2l + 1)) of what to_columns gives -> those of its values and of its weight."""
        members = self.members(values.dtype, weight)
        of_values = torch.cat([product @ member.T for product, member in zip(products, members, strict=True)], -1)
        if weight is None:
            return of_values, None
        of_weights = []
        together = zip(products, values.split(self.num_groups, -1), self.members(values.dtype), self.types, strict=True)
        for product, value, member, (mul, dim, _) in together:
            of_weights.append((value.T @ product).mul_(member).sum(0).view(mul, dim).sum(1))
        return of_values, self.join_copies(of_weights)
