import pytest
import torch
from ops.tables import random_edges, random_pairs

from eqgraph import ops


@pytest.mark.parametrize("edges", [random_edges(5, 7, 200), random_pairs(6, 20, 3), random_edges(2, 3, 0)])
@pytest.mark.parametrize("columns", [1, 16, 33])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sums_and_values_of_receivers(edges, columns, dtype):
    values = torch.randn(len(edges.src), columns, dtype=dtype)
    torch.testing.assert_close(ops.sum_to_receivers(values, edges), ops.segment_sum(values, edges.dst, edges.num_dst))
    nodes = torch.randn(edges.num_dst, columns, dtype=dtype)
    assert torch.equal(ops.take_from_receivers(nodes, edges), nodes[edges.dst])


def test_each_is_the_derivative_of_the_other():
    edges = random_pairs(4, 6, 1)
    values = torch.randn(13, 3, dtype=torch.float64, requires_grad=True)
    nodes = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    for function, x in ((ops.sum_to_receivers, values), (ops.take_from_receivers, nodes)):
        assert torch.autograd.gradcheck(lambda v, f=function: f(v, edges).pow(2), x)
        assert torch.autograd.gradgradcheck(lambda v, f=function: f(v, edges).pow(2), x)
    torch.library.opcheck(torch.ops.eqgraph.segment_sum, (values, *edges.sorted))
    torch.library.opcheck(torch.ops.eqgraph.gather, (nodes, *edges.sorted))
