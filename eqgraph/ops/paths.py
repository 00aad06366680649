"""The plan of a convolution: which blocks meet in which Clebsch-Gordan path. Constants only, hashable, no parameters."""

from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor


class Path(NamedTuple):
    """One path: block `block` of x times the harmonics of y that start at column `sh_start` give one output block of degree l3."""

    block: int
    l3: int
    sh_start: int
    coefficients: tuple[tuple[int, int, int, float], ...]
    """Nonzero (m1, m2, m3, value) with all normalization folded in; indices count from 0 within each block."""


class Group(NamedTuple):
    """The paths of one block of x, which can be applied at once."""

    block: int
    dim: int
    mul: int
    rows: int
    """All m3 of all paths."""
    runs: tuple[tuple[int, int], ...]
    """(number of paths, 2 l3 + 1) of the runs of paths with the same l3."""


@dataclass(frozen=True)
class PathTable:
    """Everything that a backend must know about one channel-wise ("uvu") tensor product.

    Layouts are channels-last: a block of degree l with mul channels is stored as (2l + 1, mul), row-major.

    Args:
        blocks: (l, mul) of each block of x, in order.
        dim_sh: number of columns of y.
        paths: sorted by block, then by l3; the output consists of one block (2 l3 + 1, mul) per path, the weights of mul entries per
            path, in this order.
    """

    blocks: tuple[tuple[int, int], ...]
    dim_sh: int
    paths: tuple[Path, ...]

    block_sizes: tuple[int, ...] = field(init=False, compare=False, repr=False)
    """Columns of each block of x."""
    groups: tuple[Group, ...] = field(init=False, compare=False, repr=False)
    matrix_sizes: tuple[int, ...] = field(init=False, compare=False, repr=False)
    """Entries of the edge matrix of each group."""
    weight_sizes: tuple[int, ...] = field(init=False, compare=False, repr=False)
    """Columns of the weights of each group."""
    dim_in: int = field(init=False, compare=False, repr=False)
    dim_out: int = field(init=False, compare=False, repr=False)
    num_weights: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        order = [(path.block, path.l3) for path in self.paths]
        assert order == sorted(order), "paths must be sorted by block and l3"
        groups = []
        for block, members in groupby(self.paths, lambda path: path.block):
            l, mul = self.blocks[block]
            runs = tuple((len(list(run)), 2 * l3 + 1) for l3, run in groupby(members, lambda path: path.l3))
            if mul:
                groups.append(Group(block, 2 * l + 1, mul, sum(count * dim for count, dim in runs), runs))
        block_sizes = tuple((2 * l + 1) * mul for l, mul in self.blocks)
        weight_sizes = tuple(sum(count for count, _ in group.runs) * group.mul for group in groups)
        for name, value in (
            ("groups", tuple(groups)),
            ("block_sizes", block_sizes),
            ("matrix_sizes", tuple(group.rows * group.dim for group in groups)),
            ("weight_sizes", weight_sizes),
            ("dim_in", sum(block_sizes)),
            ("dim_out", sum(group.rows * group.mul for group in groups)),
            ("num_weights", sum(weight_sizes)),
        ):
            object.__setattr__(self, name, value)  # the dataclass is frozen for everybody else

    def edge_matrix_coefficients(self) -> Tensor:
        """(dim_sh, Σ matrix_sizes) float64: y @ it gives, group after group, the row-major M[row, m1] = Σ_m2 C[m1, m2, m3] y[m2]."""
        dense = torch.zeros(self.dim_sh, sum(self.matrix_sizes), dtype=torch.float64)
        start = 0
        for path in self.paths:
            l1, mul = self.blocks[path.block]
            if mul:
                for m1, m2, m3, value in path.coefficients:
                    dense[path.sh_start + m2, start + m3 * (2 * l1 + 1) + m1] += value
                start += (2 * path.l3 + 1) * (2 * l1 + 1)
        return dense
