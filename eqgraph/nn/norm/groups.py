"""Irreps that share their statistics."""

from collections.abc import Sequence

import torch
from torch import Tensor

from eqgraph.o3 import Irreps
from eqgraph.ops.row_norms import Group, RowNorm


class Groups(torch.nn.Module):
    """Each type (l, p) is cut into groups of irreps; the 0e of a group share a mean, and all of a group, or of several, a mean square.

    The irreps of a type stand in the order in which they appear, whatever entry they are in. Where those of each type are neighbors,
    rows are cut into types; else sums over groups are products with a matrix of zeros and ones, which takes twice as long.

    Args:
        irreps: of a row.
        num_groups: number of groups of each type, sorted; each divides the number of irreps of its type.
        normalization: what a mean square is of: |x|² / (2l + 1) ("component") or |x|² ("norm").
        centering: whether there are means; else they are zero.
        together: for each type, a number; types with the same number, of one group each, share a mean square. None: no types do.
        balance: whether types that share a mean square count alike in it; else all that it is a mean of do.

    Example:
        >>> groups = Groups("4x0e + 1x1o", [2, 1])
        >>> x = torch.tensor([[1.0, 3.0, 5.0, 5.0, 1.0, 2.0, 3.0]])
        >>> groups.mean(x)
        tensor([[2., 2., 5., 5., 0., 0., 0.]])
        >>> groups.mean_square(x.square())
        tensor([[ 5.0000, 25.0000,  4.6667]])
    """

    def __init__(
        self,
        irreps: Irreps | str,
        num_groups: Sequence[int],
        normalization: str = "component",
        centering: bool = True,
        together: Sequence[int] | None = None,
        balance: bool = True,
    ) -> None:
        super().__init__()
        copies = [ir for mul, ir in Irreps(irreps) for _ in range(mul)]
        starts = torch.tensor([0, *(ir.dim for ir in copies)], dtype=torch.int64).cumsum(0).tolist()
        group_of_copy, sizes, scalars, sets, runs = [0] * len(copies), [], [], [], []
        for number, (kind, groups) in enumerate(zip(sorted(set(copies)), num_groups, strict=True)):
            places = [place for place, ir in enumerate(copies) if ir == kind]
            mul, first = len(places) // groups, len(sizes)
            for position, place in enumerate(places):
                group_of_copy[place] = first + position // mul
            sizes += [mul * (kind.dim if normalization == "component" else 1)] * groups
            scalars += [mul if kind.is_scalar() and centering else 0] * groups
            sets += [len(sets) + i if together is None else together[number] for i in range(groups)]
            if places[-1] - places[0] == len(places) - 1:
                runs.append((starts[places[0]], starts[places[-1] + 1], first, first + groups))
        is_sorted = sum(stop - start for start, stop, _, _ in runs) == starts[-1]
        self._runs = runs if is_sorted else None  # [(first column, last + 1, first group, last + 1)] of each type
        self._centred = next((run for run in runs if is_sorted and scalars[run[2]]), None)
        self._centres = any(scalars)
        dims = torch.tensor([ir.dim for ir in copies], dtype=torch.int64)
        group_of_column = torch.tensor(group_of_copy, dtype=torch.int64).repeat_interleave(dims)
        sizes, scalars, sets = (torch.tensor(values, dtype=torch.int64) for values in (sizes, scalars, sets))
        set_of_group = sets.unique(return_inverse=True)[1]
        sets = torch.eq(sets.unique().unsqueeze(1), sets)  # (statistics, groups)
        self._each_alone = len(sets) == len(sizes)
        totals = sets.long().T @ (sets.long() @ (torch.ones_like(sizes) if balance else sizes))
        spans: list[list[tuple[int, int]]] = [[] for _ in range(len(sizes))]
        for copy, group in enumerate(group_of_copy):
            start = spans[group].pop()[0] if spans[group] and spans[group][-1][1] == starts[copy] else starts[copy]
            spans[group].append((start, starts[copy + 1]))
        shares = 1 / (totals * sizes if balance else totals).double()
        self._statistics = tuple(
            tuple(
                Group(tuple(spans[i]), shares[i].item(), bool(scalars[i])) for i in chosen.nonzero().flatten().tolist()
            )
            for chosen in sets
        )
        # whole numbers, which no dtype of the module rounds
        for name, values in (
            ("_members", torch.eq(torch.arange(len(sizes)).unsqueeze(1), group_of_column)),  # (groups, dim)
            ("_group_of_column", group_of_column),
            ("_sets", sets),
            ("_set_of_group", set_of_group),
            ("_divisor", totals * sizes if balance else totals),
            ("_num_scalars", scalars),
        ):
            self.register_buffer(name, values, persistent=False)

    def row_norm(self, eps: float) -> RowNorm:
        """For the kernels that normalize a row in one go."""
        return RowNorm(self._statistics, eps)

    def mean(self, averages: Tensor) -> Tensor:
        """(rows, dim) -> (rows, dim): the mean of the 0e of the group of each, zero for all that is no 0e; a projection."""
        shares = (self._num_scalars > 0).to(averages.dtype) / self._num_scalars.clamp(min=1)
        return self._spread(self._sums(averages) * shares)

    def centred(self, x: Tensor) -> Tensor:
        """(rows, dim) minus its mean."""
        if not self._centres:
            return x
        if self._centred is None:
            return x - self.mean(x)
        start, stop, first, last = self._centred
        scalars = x[:, start:stop].unflatten(1, (last - first, -1))
        scalars = (scalars - scalars.mean(-1, keepdim=True)).flatten(1)
        return torch.cat([x[:, :start], scalars, x[:, stop:]], 1)

    def mean_square(self, squares: Tensor) -> Tensor:
        """(rows, dim) -> (rows, statistics)."""
        sums = self._sums(squares)
        return sums / self._divisor if self._each_alone else sums @ self._shares(squares.dtype).T

    def mean_square_gradient(self, g: Tensor) -> Tensor:
        """(rows, statistics) -> (rows, dim): the transpose of mean_square."""
        return self._spread(g / self._divisor if self._each_alone else g @ self._shares(g.dtype))

    def to_columns(self, statistics: Tensor) -> Tensor:
        """(rows, statistics) -> (rows, dim): what belongs to each column."""
        # not a product with zeros and ones: with ε = 0 a statistic may be infinite, which is no concern of other groups
        return self._spread(statistics if self._each_alone else statistics.index_select(1, self._set_of_group))

    def to_columns_gradient(self, g: Tensor) -> Tensor:
        """(rows, dim) -> (rows, statistics): the transpose of to_columns."""
        return self._sums(g) if self._each_alone else self._sums(g) @ self._sets.to(g.dtype).T

    def _shares(self, dtype: torch.dtype) -> Tensor:
        """(statistics, groups): how much a square of each group counts in each mean square."""
        return self._sets.to(dtype) / self._divisor

    def _sums(self, columns: Tensor) -> Tensor:
        """(rows, dim) -> (rows, groups)."""
        if self._runs is None:
            return columns @ self._members.to(columns.dtype).T
        parts = [columns[:, a:b].unflatten(1, (last - first, -1)).sum(-1) for a, b, first, last in self._runs]
        return torch.cat(parts, 1)

    def _spread(self, values: Tensor) -> Tensor:
        """(rows, groups) -> (rows, dim): the transpose of _sums."""
        if self._runs is None:
            return values.index_select(1, self._group_of_column)
        parts = []
        for start, stop, first, last in sorted(self._runs):
            groups = values[:, first:last].unsqueeze(2)
            parts.append(groups.expand(-1, -1, (stop - start) // (last - first)).flatten(1))
        return torch.cat(parts, 1)
