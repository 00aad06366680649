"""The plan of a gated nonlinearity. Constants only, hashable, no parameters."""

import json
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from .blocks import Block

FUNCTIONS = ("silu", "tanh")
"""Functions of scalars that the operator knows."""


class Channels(NamedTuple):
    """Some channels of a block."""

    block: int
    first: int


class Scalars(NamedTuple):
    """y = constant · function(x) for mul scalars."""

    mul: int
    function: str
    constant: float
    source: Channels
    target: Channels


class Gated(NamedTuple):
    """y = constant · function(z) x for mul irreps x and as many scalars z."""

    mul: int
    function: str
    constant: float
    gate: Channels
    source: Channels
    target: Channels


@dataclass(frozen=True)
class GateTable:
    """Everything that a backend must know about one gated nonlinearity.

    Args:
        blocks: of x, in order; each channel is used once.
        out_blocks: of the output, in order; each channel is written once.
        scalars: what happens to scalars.
        gated: what happens to irreps with gates.
    """

    blocks: tuple[Block, ...]
    out_blocks: tuple[Block, ...]
    scalars: tuple[Scalars, ...]
    gated: tuple[Gated, ...]

    key: str = field(init=False, compare=False, repr=False)
    """The table as text: what custom ops, which take no objects, are given. See from_key."""

    def __post_init__(self) -> None:
        key = json.dumps([self.blocks, self.out_blocks, self.scalars, self.gated], separators=(",", ":"))
        object.__setattr__(self, "key", key)

    @staticmethod
    @cache
    def from_key(key: str) -> "GateTable":
        """The table of which `key` is the text."""
        blocks, out_blocks, scalars, gated = json.loads(key)
        return GateTable(
            tuple(Block(*block) for block in blocks),
            tuple(Block(*block) for block in out_blocks),
            tuple(Scalars(*entry[:3], *(Channels(*place) for place in entry[3:])) for entry in scalars),
            tuple(Gated(*entry[:3], *(Channels(*place) for place in entry[3:])) for entry in gated),
        )

    @property
    def dim_in(self) -> int:
        """Numbers per node of x."""
        return sum(block.size for block in self.blocks)

    @property
    def dim_out(self) -> int:
        """Numbers per node of the output."""
        return sum(block.size for block in self.out_blocks)
