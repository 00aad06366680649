"""The layouts of features: each way against plain PyTorch, and each the gradient of the other."""

import pytest
import torch

from eqgraph import ops
from eqgraph.o3.blocks import from_blocks, join, to_blocks, to_flat

SIZES = [
    [(4, 1), (2, 3)],
    [(16, 1), (8, 3), (8, 5)],
    [(96, 1), (33, 3), (17, 5), (3, 7), (1, 9)],
    [(20, 3), (0, 5), (5, 1)],
]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("nodes", [1, 3, 700])
def test_kernels_agree_with_views(sizes, dtype, nodes):
    rows = torch.randn(nodes, sum(mul * dim for mul, dim in sizes), dtype=dtype)
    flat = ops.to_flat(rows, sizes)
    assert torch.equal(flat, join(to_blocks(rows, sizes)))
    assert torch.equal(ops.from_flat(flat, sizes), rows)
    assert torch.equal(from_blocks(to_blocks(rows, sizes)), rows)


@pytest.mark.parametrize("sizes", SIZES)
def test_gradients(sizes):
    rows = torch.randn(2, sum(mul * dim for mul, dim in sizes), dtype=torch.float64, requires_grad=True)
    weights = torch.randn(rows.numel(), dtype=torch.float64)

    def quadratic(rows):
        return (ops.to_flat(rows, sizes) * weights).square()

    assert torch.autograd.gradcheck(quadratic, rows)
    assert torch.autograd.gradgradcheck(quadratic, rows)
    assert torch.autograd.gradcheck(lambda rows: ops.from_flat(ops.to_flat(rows, sizes).sin(), sizes), rows)


def test_what_is_no_matter_of_layout_is_not_copied():
    rows = torch.randn(5, 7)
    assert to_flat(rows, [(7, 1)]).data_ptr() == rows.data_ptr()


def test_degrees_beyond_the_kernels_and_rows_that_are_not_contiguous():
    rows = torch.randn(22, 6).t()
    expected = join(to_blocks(rows, [(2, 11)]))
    assert torch.equal(to_flat(rows, [(2, 11)]), expected)
    assert torch.equal(to_flat(rows, [(2, 3), (16, 1)]), join(to_blocks(rows, [(2, 3), (16, 1)])))


def test_no_rows():
    assert to_flat(torch.zeros(0, 10), [(4, 1), (2, 3)]).shape == (0,)
