import math

import pytest
import torch
from ops.tables import path_table, random_arguments, random_edges, random_pairs
from scipy.special import sph_harm_y
from torch import Tensor

from eqgraph import ops


def conv_by_loops(x: Tensor, y: Tensor, w: Tensor, edges: ops.Edges, table: ops.PathTable) -> Tensor:
    """The formula of the docstring, term by term."""
    senders, out, start = [], [], 0
    for block in table.blocks:
        stop = start + edges.num_src * block.size
        senders.append(x[start:stop].view(edges.num_src, block.dim, block.mul))
        start = stop
    for block in table.out_blocks:
        out.append(x.new_zeros(edges.num_dst, block.dim, block.mul))
    for e, (src, dst, row) in enumerate(zip(edges.src.tolist(), edges.dst.tolist(), edges.row.tolist(), strict=True)):
        column = 0
        for path in table.paths:
            for m1, m2, m3, value in path.coefficients:
                for c in range(table.mul(path)):
                    out[path.out_block][dst, m3, path.channel + c] += (
                        w[row, column + c] * value * senders[path.block][src, m1, c] * y[e, path.sh_start + m2]
                    )
            column += table.mul(path)
    return torch.cat([block.flatten() for block in out])


@pytest.mark.parametrize(
    "blocks", [[(0, 3)], [(0, 2), (1, 3), (2, 1)], [(1, 2), (0, 4), (1, 1), (3, 2)], [(2, 0), (1, 2)]]
)
@pytest.mark.parametrize("edges", [random_edges(4, 3, 7), random_pairs(3, 3, 1)])
def test_conv_is_the_sum_in_its_docstring(blocks, edges):
    table = path_table(blocks, [0, 1, 2])
    arguments = random_arguments(table, edges, torch.float64)
    out = ops.tensor_product_conv(*arguments, edges, table, table.edge_matrix_coefficients())
    torch.testing.assert_close(out, conv_by_loops(*arguments, edges, table), rtol=1e-12, atol=1e-12)


def test_conv_of_a_graph_without_edges_is_zero():
    table, edges = path_table([(0, 2), (1, 2)], [0, 1]), random_edges(4, 3, 0)
    arguments = random_arguments(table, edges, torch.float64)
    out = ops.tensor_product_conv(*arguments, edges, table, table.edge_matrix_coefficients())
    assert out.shape == (3 * (2 * 1 + 2 * 3 + 2 * 3 + 2 * 1 + 2 * 3 + 2 * 5),)
    assert (out == 0).all()


def test_conv_gradients_of_first_and_second_order():
    table, edges = path_table([(0, 2), (1, 1)], [0, 1]), random_edges(3, 2, 4)
    arguments = [tensor.requires_grad_() for tensor in random_arguments(table, edges, torch.float64)]
    coefficients = table.edge_matrix_coefficients()

    def function(*tensors):
        return ops.tensor_product_conv(*tensors, edges, table, coefficients)

    assert torch.autograd.gradcheck(function, arguments)
    assert torch.autograd.gradgradcheck(function, arguments)


def test_a_table_is_the_same_after_it_was_text():
    table = path_table([(1, 2), (0, 4)], [0, 1])
    assert ops.PathTable.from_key(table.key) == table


def test_segment_sum_leaves_empty_segments_zero():
    out = ops.segment_sum(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([2, 2]), 4)
    assert out.tolist() == [[0, 0], [0, 0], [4, 6], [0, 0]]


def test_solid_harmonics_are_the_real_spherical_harmonics_of_scipy():
    lmax = 9
    x = torch.randn(40, 3, dtype=torch.float64)
    x = x / x.norm(dim=-1, keepdim=True)
    polar, azimuth = torch.acos(x[:, 1]), torch.atan2(x[:, 0], x[:, 2])  # polar axis y, azimuth from z towards x
    columns = []
    for l in range(lmax + 1):
        for m in range(-l, l + 1):
            complex_values = torch.as_tensor(sph_harm_y(l, abs(m), polar.numpy(), azimuth.numpy()))
            part = complex_values.imag if m < 0 else complex_values.real
            # scipy carries the Condon-Shortley phase (-1)^m
            columns.append(part * (1 if m == 0 else math.sqrt(2) * (-1) ** m) * math.sqrt(4 * math.pi))
    torch.testing.assert_close(ops.solid_harmonics(x, lmax), torch.stack(columns, -1), rtol=1e-11, atol=1e-11)


def test_solid_harmonics_are_homogeneous_and_smooth_at_zero():
    x = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: ops.solid_harmonics(v, 4), x)
    assert torch.autograd.gradgradcheck(lambda v: ops.solid_harmonics(v, 4), x)
    v = torch.randn(6, 3, dtype=torch.float64)
    degrees = torch.cat([torch.full((2 * l + 1,), float(l), dtype=torch.float64) for l in range(5)])
    torch.testing.assert_close(ops.solid_harmonics(3 * v, 4), ops.solid_harmonics(v, 4) * 3**degrees)


def test_solid_harmonics_have_the_norm_2l_plus_1():
    x = torch.nn.functional.normalize(torch.randn(20, 3, dtype=torch.float64), dim=-1)
    blocks = ops.solid_harmonics(x, 12).split([2 * l + 1 for l in range(13)], dim=-1)
    for l, block in enumerate(blocks):
        torch.testing.assert_close(block.square().sum(-1), torch.full((20,), 2.0 * l + 1, dtype=torch.float64))
