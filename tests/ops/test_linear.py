import sys

import pytest
import torch

from eqgraph import ops
from eqgraph.ops import Block, LinearTable, cpu

TABLES = [
    LinearTable(
        (Block(0, 32), Block(1, 32), Block(2, 32)), (Block(0, 96), Block(1, 32), Block(2, 32)), ((0, 0), (1, 1), (2, 2))
    ),
    LinearTable(  # several paths to a block and from one, an output without any, many components
        (Block(0, 5), Block(1, 7), Block(0, 3), Block(3, 17)),
        (Block(0, 4), Block(1, 2), Block(2, 3), Block(3, 33), Block(0, 9)),
        ((0, 0), (2, 0), (1, 1), (3, 3), (2, 4)),
    ),
    LinearTable((Block(0, 5), Block(1, 0)), (Block(0, 4), Block(1, 2)), ((0, 0), (1, 1))),
]


def inputs(table, nodes, num_groups, dtype=torch.float64):
    groups = None if num_groups == 1 else ops.NodeGroups.of(torch.randint(0, num_groups, (nodes,)), num_groups)
    return (
        torch.randn(nodes * table.dim_in, dtype=dtype, requires_grad=True),
        torch.randn(num_groups, table.num_weights, dtype=dtype, requires_grad=True),
        torch.randn(nodes * table.dim_out, dtype=dtype, requires_grad=True),
        groups,
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("num_groups", [1, 3, 10])
@pytest.mark.parametrize("nodes", [0, 1, 75, 600])
@pytest.mark.parametrize("table", TABLES)
def test_values_and_derivatives_are_those_of_the_reference(table, nodes, num_groups, dtype, tolerance):
    x, w, g, groups = inputs(table, nodes, num_groups, dtype)
    a, b = torch.randn_like(x), torch.randn_like(w)
    results = []
    for backend in ("cpu", "reference"):
        out = ops.linear(x, w, groups, table, backend)
        first = torch.autograd.grad(out, (x, w), g, create_graph=True, materialize_grads=True, allow_unused=True)
        total = (first[0] * a).sum() + (first[1] * b).sum()
        second = torch.autograd.grad(total, (g, x, w), create_graph=True, materialize_grads=True, allow_unused=True)
        total = (second[0] * g).sum() + (second[1] * x).sum()
        third = torch.autograd.grad(total, (g, x, w), materialize_grads=True, allow_unused=True)
        results.append([out, *first, *second, *third])
    for ours, theirs in zip(*results, strict=True):
        scale = theirs.abs().max().clamp(min=1) if theirs.numel() else 1
        torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=tolerance)


def test_each_node_meets_the_matrix_of_its_group():
    table = LinearTable((Block(1, 2),), (Block(1, 3),), ((0, 0),))
    x, w, _, _ = inputs(table, 4, 3)
    group = torch.tensor([2, 0, 2, 1])
    out = ops.linear(x, w, ops.NodeGroups.of(group, 3), table).view(4, 3, 3)
    for node in range(4):
        torch.testing.assert_close(out[node], x.view(4, 3, 2)[node] @ w[group[node]].view(2, 3))


def test_without_paths_all_is_zero():
    table = LinearTable((Block(0, 2),), (Block(1, 3),), ())
    x, w, g, _ = inputs(table, 5, 1)
    out = ops.linear(x, w, None, table)
    assert out.shape == (45,)
    assert (out == 0).all()
    assert all((gradient == 0).all() for gradient in torch.autograd.grad(out, (x, w), g))


def test_gradcheck():
    table = LinearTable((Block(0, 2), Block(1, 2)), (Block(0, 3), Block(1, 1)), ((0, 0), (1, 1)))
    x, w, _, groups = inputs(table, 3, 2)
    assert torch.autograd.gradcheck(lambda x, w: ops.linear(x, w, groups, table), (x, w))
    assert torch.autograd.gradgradcheck(lambda x, w: ops.linear(x, w, groups, table), (x, w))


def test_opcheck():
    x, w, g, groups = inputs(TABLES[1], 7, 3)
    torch.library.opcheck(torch.ops.eqgraph.linear, (x, w, *groups, TABLES[1].key))
    for wants in ((True, True), (True, False), (False, True)):
        torch.library.opcheck(torch.ops.eqgraph.linear_backward, (g, x, w, *groups, TABLES[1].key, *wants))


def test_nodes_outside_of_all_groups_are_an_error():
    table = TABLES[0]
    x, w, _, _ = inputs(table, 3, 2)
    for group in ([0, 1, 2], [-1, 0, 1]):
        with pytest.raises(IndexError, match="each of 3 nodes in one of 2 groups, got groups for 2"):
            ops.linear(x, w, ops.NodeGroups.of(torch.tensor(group), 2), table)


@pytest.mark.parametrize("num_groups", [1, 3])
def test_every_number_of_the_results_is_written_and_the_same_for_any_number_of_threads(num_groups, monkeypatch):
    table = TABLES[1]
    x, w, g, groups = inputs(table, 1500, num_groups, torch.float32)
    x, w, g, rest = x.detach(), w.detach(), g.detach(), groups or [torch.empty(0, dtype=torch.int64)] * 2
    monkeypatch.setattr(
        sys.modules["eqgraph.ops.cpu.linear"], "empty", lambda shape, like: like.new_empty(shape).fill_(torch.nan)
    )
    results, threads = [], torch.get_num_threads()
    for number in (1, 2):
        torch.set_num_threads(number)
        try:
            results.append([cpu.linear(x, w, *rest, table), *cpu.linear_backward(g, x, w, *rest, table, True, True)])
        finally:
            torch.set_num_threads(threads)
    assert all(torch.equal(one, two) and one.isfinite().all() for one, two in zip(*results, strict=True))
