"""The plan of a convolution: which blocks meet in which Clebsch-Gordan path. Constants only, hashable, no parameters."""

import json
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from .blocks import Block


class Path(NamedTuple):
    """Block `block` of x times the harmonics that start at column `sh_start` of y: channels of one block of the output."""

    block: int
    sh_start: int
    out_block: int
    channel: int
    """First of the channels of the output block that the path fills, as many as block has."""
    coefficients: tuple[tuple[int, int, int, float], ...]
    """Nonzero (m1, m2, m3, value) with all normalization folded in; indices count from 0 within each block."""

    def edge_matrix_entries(self) -> dict[tuple[int, int], list[tuple[int, float]]]:
        """(m3, m1) -> [(m2, C[m1, m2, m3])] of the entries of the edge matrix that are not always zero."""
        entries: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for m1, m2, m3, value in self.coefficients:
            entries.setdefault((m3, m1), []).append((m2, value))
        return entries


@dataclass(frozen=True)
class PathTable:
    """Everything that a backend must know about one channel-wise ("uvu") tensor product.

    Args:
        blocks: of x, in order.
        dim_sh: number of columns of y.
        out_blocks: of the output, in order.
        paths: each fills its own channels of an output block. Columns of w: mul weights per path, in this order.
    """

    blocks: tuple[Block, ...]
    dim_sh: int
    out_blocks: tuple[Block, ...]
    paths: tuple[Path, ...]

    weight_starts: tuple[int, ...] = field(init=False, compare=False, repr=False)
    """First column of w of each path, and the number of columns."""
    key: str = field(init=False, compare=False, repr=False)
    """The table as text: what custom ops, which take no objects, are given. See from_key."""

    def __post_init__(self) -> None:
        key = json.dumps([self.blocks, self.dim_sh, self.out_blocks, self.paths], separators=(",", ":"))
        starts = tuple(accumulate((self.mul(path) for path in self.paths), initial=0))
        object.__setattr__(self, "weight_starts", starts)  # the dataclass is frozen for everybody else
        object.__setattr__(self, "key", key)

    @staticmethod
    @cache
    def from_key(key: str) -> "PathTable":
        """The table of which `key` is the text."""
        blocks, dim_sh, out_blocks, paths = json.loads(key)
        return PathTable(
            tuple(Block(*block) for block in blocks),
            dim_sh,
            tuple(Block(*block) for block in out_blocks),
            tuple(Path(*numbers, tuple(map(tuple, terms))) for *numbers, terms in paths),
        )

    def mul(self, path: Path) -> int:
        """Channels of a path."""
        return self.blocks[path.block].mul

    @property
    def dim_in(self) -> int:
        """Numbers per sender."""
        return sum(block.size for block in self.blocks)

    @property
    def dim_out(self) -> int:
        """Numbers per receiver."""
        return sum(block.size for block in self.out_blocks)

    @property
    def num_weights(self) -> int:
        """Columns of w."""
        return self.weight_starts[-1]

    def edge_matrix_coefficients(self) -> Tensor:
        """(dim_sh, entries) float64: y @ it gives, path after path, the row-major M[m3, m1] = Σ_m2 C[m1, m2, m3] y[m2]."""
        sizes = [self.out_blocks[path.out_block].dim * self.blocks[path.block].dim for path in self.paths]
        dense = torch.zeros(self.dim_sh, sum(sizes), dtype=torch.float64)
        for path, start in zip(self.paths, accumulate(sizes, initial=0), strict=False):
            for m1, m2, m3, value in path.coefficients:
                dense[path.sh_start + m2, start + m3 * self.blocks[path.block].dim + m1] += value
        return dense
