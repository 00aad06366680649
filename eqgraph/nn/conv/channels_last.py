"""Between e3nn's layout of features, (mul, 2l + 1) per block, and that of the kernels, (2l + 1, mul): channels last."""

import torch
from torch import Tensor


def transpose_blocks(x: Tensor, sizes: list[tuple[int, int]]) -> list[Tensor]:
    """Cut (nodes, Σ rows·columns) into blocks of the given (rows, columns) and transpose each; blocks come back flat."""
    blocks = x.split([rows * columns for rows, columns in sizes], dim=-1)
    return [
        block if 1 in size else block.unflatten(-1, size).mT.flatten(-2)
        for block, size in zip(blocks, sizes, strict=True)
    ]


def to_channels_last(x: Tensor, sizes: list[tuple[int, int]]) -> Tensor:
    """Features with blocks (mul, 2l + 1), as given by sizes, to the same features with blocks (2l + 1, mul)."""
    if all(1 in size for size in sizes):
        return x
    return torch.cat(transpose_blocks(x, sizes), dim=-1)
