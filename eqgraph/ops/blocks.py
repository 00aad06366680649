"""How node features are laid out for operators, and the plan of a linear map of them. Constants only, hashable, no parameters."""

import json
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import NamedTuple


class Block(NamedTuple):
    """mul copies of an irrep of degree l: (nodes, 2l + 1, mul), channels last."""

    l: int
    mul: int

    @property
    def dim(self) -> int:
        return 2 * self.l + 1

    @property
    def size(self) -> int:
        """Numbers per node."""
        return self.dim * self.mul


@dataclass(frozen=True)
class LinearTable:
    """Everything that a backend must know about one linear map.

    Args:
        blocks: of x, in order.
        out_blocks: of the output, in order.
        paths: (block of x, block of the output), of equal degree; columns of w: mul_in mul_out weights per path, in this order.
    """

    blocks: tuple[Block, ...]
    out_blocks: tuple[Block, ...]
    paths: tuple[tuple[int, int], ...]

    weight_starts: tuple[int, ...] = field(init=False, compare=False, repr=False)
    """First column of w of each path, and the number of columns."""
    key: str = field(init=False, compare=False, repr=False)
    """The table as text: what custom ops, which take no objects, are given. See from_key."""

    def __post_init__(self) -> None:
        key = json.dumps([self.blocks, self.out_blocks, self.paths], separators=(",", ":"))
        sizes = [self.blocks[i].mul * self.out_blocks[o].mul for i, o in self.paths]
        object.__setattr__(self, "weight_starts", tuple(accumulate(sizes, initial=0)))
        object.__setattr__(self, "key", key)

    @staticmethod
    @cache
    def from_key(key: str) -> "LinearTable":
        """The table of which `key` is the text."""
        blocks, out_blocks, paths = json.loads(key)
        return LinearTable(
            tuple(Block(*block) for block in blocks),
            tuple(Block(*block) for block in out_blocks),
            tuple((i, o) for i, o in paths),
        )

    @property
    def dim_in(self) -> int:
        """Numbers per node of x."""
        return sum(block.size for block in self.blocks)

    @property
    def dim_out(self) -> int:
        """Numbers per node of the output."""
        return sum(block.size for block in self.out_blocks)

    @property
    def num_weights(self) -> int:
        """Columns of w."""
        return self.weight_starts[-1]

    def transposed(self) -> "LinearTable":
        """The table of the gradient with respect to x: its weights are the matrices of each path transposed."""
        return LinearTable(self.out_blocks, self.blocks, tuple((o, i) for i, o in self.paths))
