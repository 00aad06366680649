"""Features block by block, channels last: one tensor (..., 2l + 1, mul) per entry of the irreps.

The public layout of features is e3nn's, (..., Σ mul (2l + 1)). Inside of a network it pays to keep each block in a tensor of its own
with the copies of an irrep innermost: a linear map is then one matrix product, and kernels read rows of channels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Sizes = Sequence[tuple[int, int]]
"""(mul, 2l + 1) of each entry of the irreps."""


def to_blocks(features: Tensor, sizes: Sizes) -> list[Tensor]:
    """Cut features (..., Σ mul (2l + 1)) into blocks; views of them.

    Example:
        >>> [tuple(block.shape) for block in to_blocks(torch.zeros(5, 10), [(4, 1), (2, 3)])]
        [(5, 1, 4), (5, 3, 2)]
    """
    parts = features.split([mul * dim for mul, dim in sizes], dim=-1)
    return [part.unflatten(-1, size).mT for part, size in zip(parts, sizes, strict=True)]


def from_blocks(blocks: Sequence[Tensor]) -> Tensor:
    """The inverse of to_blocks, of at least one block."""
    parts = [block.mT.flatten(-2) for block in blocks]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
