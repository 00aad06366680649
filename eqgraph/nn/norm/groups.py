"""Irreps that share their statistics."""

from collections.abc import Sequence

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .type_blocks import TypeBlocks


class Groups(TypeBlocks):
    """Each type (l, p) cut into groups of consecutive irreps, with one mean of the 0e and one mean square for each group.

    Sums over a group are products with a small matrix of zeros and ones, one per type: many times faster than reshaping rows.

    Args:
        irreps: of a row.
        num_groups: number of groups of each type, as in `types`; each divides the number of irreps of its type.
        normalization: what a mean square is of: |x|² / (2l + 1) ("component") or |x|² ("norm").

    Attributes:
        num: number of groups of all types.

    Example:
        >>> groups = Groups("4x0e + 1x1o", [2, 1])
        >>> parts = groups.split(torch.tensor([[1.0, 3.0, 5.0, 5.0, 1.0, 2.0, 3.0]]))
        >>> groups.centred(parts)[0]
        tensor([[-1.,  1.,  0.,  0.]])
        >>> groups.mean_square(parts)
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

    def members(self, dtype: torch.dtype) -> list[Tensor]:
        """For each type (groups, mul (2l + 1)): one where a column is in a group, zero elsewhere."""
        return [getattr(self, f"_members_{number}").to(dtype) for number in range(len(self.types))]

    def scalar_mean(self, scalars: Tensor) -> Tensor:
        """(rows, num_scalars) -> the same shape: the mean of the 0e of the group of each."""
        for members, (_, _, is_scalar), mul in zip(
            self.members(scalars.dtype), self.types, self._mul_of_group, strict=True
        ):
            if is_scalar:
                return (scalars @ members.T / mul) @ members
        return scalars

    def centred(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """(rows, mul (2l + 1)) of each type -> the same, the 0e less the mean of the 0e of their group."""
        return [
            torch.addmm(part, part @ members.T, members, alpha=-1 / mul) if is_scalar else part
            for part, members, (_, _, is_scalar), mul in zip(
                parts, self.members(parts[0].dtype), self.types, self._mul_of_group, strict=True
            )
        ]

    def mean_square(self, parts: Sequence[Tensor]) -> Tensor:
        """(rows, mul (2l + 1)) of each type -> (rows, num)."""
        return self.mean([part.square() for part in parts])

    def mean(self, squares: Sequence[Tensor]) -> Tensor:
        """Squares (rows, mul (2l + 1)) of each type -> (rows, num): their means."""
        means = [
            square @ members.T / divisor
            for square, members, divisor in zip(squares, self.members(squares[0].dtype), self._divisors, strict=True)
        ]
        return torch.cat(means, -1)

    def to_columns(self, values: Tensor, weights: Sequence[Tensor] | None = None) -> list[Tensor]:
        """(rows, num) -> (rows, mul (2l + 1)) of each type: what belongs to a group for its columns, times the weights of irreps."""
        members = self.members(values.dtype)
        if weights is not None:
            members = [
                member * (weight if dim == 1 else weight.repeat_interleave(dim))
                for member, weight, (_, dim, _) in zip(members, weights, self.types, strict=True)
            ]
        return [value @ member for value, member in zip(values.split(self.num_groups, -1), members, strict=True)]
