"""The plan of a convolution: which blocks meet in which Clebsch-Gordan path. Constants only, hashable, no parameters."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import torch
from torch import Tensor


class Path(NamedTuple):
    """One path: block `block` of x times the degree-l2 harmonics of y gives one output block of degree l3."""

    block: int
    l3: int
    sh_start: int
    """First column of the harmonics in y."""
    coefficients: tuple[tuple[int, int, int, float], ...]
    """Nonzero (m1, m2, m3, value) with all normalization folded in; indices count from 0 within each block."""


@dataclass(frozen=True)
class PathTable:
    """Everything that a backend must know about one channel-wise ("uvu") tensor product.

    Layouts are channels-last: a block of degree l with mul channels is stored as (2l + 1, mul), row-major.

    Args:
        blocks: (l, mul) of each block of x, in order.
        dim_sh: number of columns of y.
        paths: sorted by block; the output consists of one block (2 l3 + 1, mul) per path, the weights of mul entries per path, in
            this order.
    """

    blocks: tuple[tuple[int, int], ...]
    dim_sh: int
    paths: tuple[Path, ...]

    def __post_init__(self) -> None:
        order = [path.block for path in self.paths]
        assert order == sorted(order), "paths must be sorted by block"

    @cached_property
    def block_sizes(self) -> list[int]:
        """Columns of each block of x."""
        return [(2 * l + 1) * mul for l, mul in self.blocks]

    @cached_property
    def dim_in(self) -> int:
        return sum(self.block_sizes)

    @cached_property
    def dim_out(self) -> int:
        return sum((2 * path.l3 + 1) * self.blocks[path.block][1] for path in self.paths)

    @cached_property
    def num_weights(self) -> int:
        return sum(self.blocks[path.block][1] for path in self.paths)

    @cached_property
    def groups(self) -> tuple["Group", ...]:
        """The paths that start from the same block, which can be applied at once."""
        groups = []
        for index, (l, mul) in enumerate(self.blocks):
            paths = [path for path in self.paths if path.block == index]
            if paths and mul:
                rows = tuple(p for p, path in enumerate(paths) for _ in range(2 * path.l3 + 1))
                groups.append(Group(index, 2 * l + 1, mul, len(paths), rows))
        return tuple(groups)

    @cached_property
    def matrix_sizes(self) -> list[int]:
        """Columns of each group in the edge matrices."""
        return [len(group.rows) * group.dim for group in self.groups]

    @cached_property
    def weight_sizes(self) -> list[int]:
        """Columns of each group in the weights."""
        return [group.num_paths * group.mul for group in self.groups]


class Group(NamedTuple):
    """The paths of one block of x."""

    block: int
    dim: int
    mul: int
    num_paths: int
    rows: tuple[int, ...]
    """For every output row (all m3 of all paths of the group) the path that it belongs to."""


@lru_cache(maxsize=256)
def edge_matrix_coefficients(table: PathTable, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Dense (dim_sh, K): y @ it gives, group after group, the row-major matrices M[row, m1] = Σ_m2 C[m1, m2, m3] y[m2]."""
    dense = torch.zeros(table.dim_sh, sum(table.matrix_sizes), dtype=torch.float64)
    start = 0
    for path in table.paths:
        l1, mul = table.blocks[path.block]
        if not mul:
            continue
        for m1, m2, m3, value in path.coefficients:
            dense[path.sh_start + m2, start + m3 * (2 * l1 + 1) + m1] += value
        start += (2 * path.l3 + 1) * (2 * l1 + 1)
    return dense.to(dtype=dtype, device=device)


@lru_cache(maxsize=256)
def weight_rows(table: PathTable, device: torch.device) -> tuple[Tensor, ...]:
    """Group.rows as index tensors."""
    return tuple(torch.tensor(group.rows, device=device) for group in table.groups)
