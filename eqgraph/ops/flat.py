"""From rows of features to blocks one after another, and back: each way one pass over the memory, and the other's gradient."""

from collections.abc import Sequence

from torch import Tensor

from .library import define, devices, operators

Sizes = Sequence[tuple[int, int]]
"""(mul, 2l + 1) of each entry of the irreps."""

LARGEST_DIM = 9
"""Rows of more components than those of l = 4 are longer than what the kernels hold in vectors."""


def to_flat(rows: Tensor, sizes: Sizes) -> Tensor:
    """(nodes, Σ mul (2l + 1)) features, in each block copy after copy, to a vector of blocks (nodes, 2l + 1, mul); on a CPU.

    Example:
        >>> import torch
        >>> to_flat(torch.tensor([[0.0, 1, 2, 3], [4, 5, 6, 7]]), [(1, 1), (1, 3)])
        tensor([0., 4., 1., 2., 3., 5., 6., 7.])
    """
    return operators.to_flat(rows, [number for size in sizes for number in size])


def from_flat(flat: Tensor, sizes: Sizes) -> Tensor:
    """The inverse of to_flat.

    Example:
        >>> import torch
        >>> from_flat(torch.tensor([0.0, 4, 1, 2, 3, 5, 6, 7]), [(1, 1), (1, 3)])
        tensor([[0., 1., 2., 3.],
                [4., 5., 6., 7.]])
    """
    return operators.from_flat(flat, [number for size in sizes for number in size])


def _pairs(numbers: Sequence[int]) -> Sizes:
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _to_flat(rows, numbers):
    return devices(rows).to_flat(rows.contiguous(), _pairs(numbers))


def _to_flat_fake(rows, numbers):
    return rows.new_empty(rows.shape[0] * rows.shape[1])


def _to_flat_gradient(saved, rest, wanted, g):
    return (operators.from_flat(g, *rest),)


def _from_flat(flat, numbers):
    return devices(flat).from_flat(flat.contiguous(), _pairs(numbers))


def _from_flat_fake(flat, numbers):
    dim = sum(mul * dim for mul, dim in _pairs(numbers))
    return flat.new_empty(flat.shape[0] // dim, dim)


def _from_flat_gradient(saved, rest, wanted, g):
    return (operators.to_flat(g, *rest),)


define("to_flat", "rows", 1, _to_flat, _to_flat_fake, _to_flat_gradient, "int[] sizes")
define("from_flat", "flat", 1, _from_flat, _from_flat_fake, _from_flat_gradient, "int[] sizes")
