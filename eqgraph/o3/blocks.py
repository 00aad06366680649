"""Features block by block, channels last: (..., 2l + 1, mul) for each entry of the irreps.

The public layout of features is e3nn's, (..., Σ mul (2l + 1)). Inside of a network it pays to have the copies of an irrep innermost,
and the blocks one after another in one vector ("flat"): a linear map is then one matrix product per block, kernels read rows of
channels, and what passes from layer to layer is a single tensor.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from eqgraph import ops
from eqgraph.ops.flat import LARGEST_DIM, Sizes


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


def cut(flat: Tensor, sizes: Sizes) -> list[Tensor]:
    """Cut a vector into blocks (nodes, 2l + 1, mul); views of it.

    Example:
        >>> [tuple(block.shape) for block in cut(torch.zeros(50), [(4, 1), (2, 3)])]
        [(5, 1, 4), (5, 3, 2)]
    """
    nodes = flat.shape[0] // max(sum(mul * dim for mul, dim in sizes), 1)
    parts = flat.split([nodes * mul * dim for mul, dim in sizes])
    return [part.view(nodes, dim, mul) for part, (mul, dim) in zip(parts, sizes, strict=True)]


def join(blocks: Sequence[Tensor]) -> Tensor:
    """The inverse of cut, of at least one block."""
    parts = [block.flatten() for block in blocks]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def to_flat(features: Tensor, sizes: Sizes) -> Tensor:
    """Features (nodes, Σ mul (2l + 1)) to a vector of blocks.

    Example:
        >>> to_flat(torch.tensor([[0.0, 1, 2, 3], [4, 5, 6, 7]]), [(1, 1), (1, 3)])
        tensor([0., 4., 1., 2., 3., 5., 6., 7.])
    """
    return ops.to_flat(features, sizes) if _has_kernel(features, sizes) else join(to_blocks(features, sizes))


def from_flat(flat: Tensor, sizes: Sizes) -> Tensor:
    """The inverse of to_flat."""
    return ops.from_flat(flat, sizes) if _has_kernel(flat, sizes) else from_blocks(cut(flat, sizes))


def _has_kernel(x: Tensor, sizes: Sizes) -> bool:
    """Whether there is a kernel for it, and anything to do."""
    return (
        x.numel() > 0
        and any(dim > 1 for _, dim in sizes)
        and all(dim <= LARGEST_DIM for _, dim in sizes)
        and ops.choose_backend("auto", x.device, x.dtype).name == "cpu"
    )
