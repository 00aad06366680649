import math

import pytest
import torch
from scipy.special import sph_harm_y
from torch import Tensor

from eqgraph import ops
from eqgraph.o3 import wigner_3j


def random_table(blocks: list[tuple[int, int]], degrees_sh: list[int]) -> ops.PathTable:
    """All paths from blocks (l, mul) times one harmonic of each degree."""
    paths = []
    for index, (l1, _) in enumerate(blocks):
        start = 0
        for l2 in degrees_sh:
            for l3 in range(abs(l1 - l2), l1 + l2 + 1):
                tensor = wigner_3j(l1, l2, l3, dtype=torch.float64)
                nonzero = tuple((*i, tensor[tuple(i)].item()) for i in tensor.nonzero().tolist())
                paths.append(ops.Path(index, l3, start, nonzero))
            start += 2 * l2 + 1
    paths.sort(key=lambda path: (path.block, path.l3))
    return ops.PathTable(tuple(blocks), sum(2 * l + 1 for l in degrees_sh), tuple(paths))


def conv_by_loops(x: Tensor, y: Tensor, w: Tensor, edges: ops.Edges, table: ops.PathTable, _: Tensor) -> Tensor:
    """The formula of the docstring, term by term."""
    out = x.new_zeros(edges.num_dst, table.dim_out)
    starts = [0]
    for l, mul in table.blocks:
        starts.append(starts[-1] + (2 * l + 1) * mul)
    for e, (src, dst) in enumerate(zip(edges.src.tolist(), edges.dst.tolist(), strict=True)):
        out_start = w_start = 0
        for path in table.paths:
            mul = table.blocks[path.block][1]
            for m1, m2, m3, value in path.coefficients:
                for c in range(mul):
                    out[dst, out_start + m3 * mul + c] += (
                        w[e, w_start + c] * value * x[src, starts[path.block] + m1 * mul + c] * y[e, path.sh_start + m2]
                    )
            out_start += (2 * path.l3 + 1) * mul
            w_start += mul
    return out


def random_arguments(table: ops.PathTable, num_src: int, num_dst: int, num_edges: int, dtype: torch.dtype):
    return (
        torch.randn(num_src, table.dim_in, dtype=dtype),
        torch.randn(num_edges, table.dim_sh, dtype=dtype),
        torch.randn(num_edges, table.num_weights, dtype=dtype),
        ops.Edges(torch.randint(num_src, (num_edges,)), torch.randint(num_dst, (num_edges,)), num_src, num_dst),
        table,
        table.edge_matrix_coefficients().to(dtype),
    )


@pytest.mark.parametrize(
    "blocks", [[(0, 3)], [(0, 2), (1, 3), (2, 1)], [(1, 2), (0, 4), (1, 1), (3, 2)], [(2, 0), (1, 2)]]
)
def test_conv_is_the_sum_in_its_docstring(blocks):
    arguments = random_arguments(random_table(blocks, [0, 1, 2]), 4, 3, 7, torch.float64)
    torch.testing.assert_close(ops.tensor_product_conv(*arguments), conv_by_loops(*arguments), rtol=1e-12, atol=1e-12)


def test_conv_of_a_graph_without_edges_is_zero():
    out = ops.tensor_product_conv(*random_arguments(random_table([(0, 2), (1, 2)], [0, 1]), 4, 3, 0, torch.float32))
    assert out.shape == (3, 2 * 1 + 2 * 3 + 2 * 3 + 2 * 1 + 2 * 3 + 2 * 5)
    assert (out == 0).all()


def test_conv_gradients_of_first_and_second_order():
    x, y, w, edges, table, coefficients = random_arguments(
        random_table([(0, 2), (1, 1)], [0, 1]), 3, 2, 4, torch.float64
    )
    arguments = [tensor.requires_grad_() for tensor in (x, y, w)]

    def function(*tensors):
        return ops.tensor_product_conv(*tensors, edges, table, coefficients)

    assert torch.autograd.gradcheck(function, arguments)
    assert torch.autograd.gradgradcheck(function, arguments)


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
