import sys

import pytest
import torch

from eqgraph import nn, ops
from eqgraph.o3.blocks import from_flat, to_flat
from eqgraph.ops import cpu, reference

silu, tanh = torch.nn.functional.silu, torch.tanh
GATES = [
    nn.Gate("32x0e", [silu], "64x0e", [silu], "32x1o + 32x2e"),
    nn.Gate("5x0e + 3x0o", [silu, tanh], "4x0e + 2x0o + 7x0e", [silu, tanh, silu], "3x1o + 5x1e + 2x2e + 3x1o"),
    nn.Gate("7x0e", [silu], "", [], ""),
]


def sizes(irreps):
    return [(mul, ir.dim) for mul, ir in irreps]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("nodes", [0, 1, 600])
@pytest.mark.parametrize("gate", GATES)
def test_kernels_and_reference_are_the_gate(gate, nodes, dtype, tolerance):
    x = torch.randn(nodes * gate.irreps_in.dim, dtype=dtype, requires_grad=True)
    g, a = torch.randn(nodes * gate.irreps_out.dim, dtype=dtype, requires_grad=True), torch.randn_like(x)
    results = []
    for function in (
        lambda x: gate.forward_flat(x, "cpu"),
        lambda x: gate.forward_flat(x, "reference"),
        lambda x: to_flat(gate(from_flat(x, sizes(gate.irreps_in))), sizes(gate.irreps_out)),
    ):
        out = function(x)
        (gx,) = torch.autograd.grad(out, x, g, create_graph=True)
        second = torch.autograd.grad(gx, (g, x), a, materialize_grads=True, allow_unused=True)
        results.append([out, gx, *second])
    for ours in results[:2]:
        for one, theirs in zip(ours, results[2], strict=True):
            torch.testing.assert_close(one, theirs, rtol=0, atol=tolerance * 10)


def test_other_functions_have_no_kernel():
    gate = nn.Gate("2x0e", [torch.sigmoid], "3x0e", [silu], "3x1o")
    x = torch.randn(4, gate.irreps_in.dim)
    flat = gate.forward_flat(to_flat(x, sizes(gate.irreps_in)))
    torch.testing.assert_close(from_flat(flat, sizes(gate.irreps_out)), gate(x))


@pytest.mark.parametrize("gate", [nn.Gate("2x0e + 1x0o", [silu, tanh], "2x0o", [tanh], "2x1o")])
def test_gradcheck_to_third_order(gate):
    x = torch.randn(2 * gate.irreps_in.dim, dtype=torch.float64)
    x[:2] = 0
    x.requires_grad_()

    def gradient(x):
        return torch.autograd.grad(gate.forward_flat(x).square().sum(), x, create_graph=True)[0]

    assert torch.autograd.gradcheck(gate.forward_flat, x)
    assert torch.autograd.gradgradcheck(gate.forward_flat, x)
    assert torch.autograd.gradgradcheck(gradient, x)


def test_opcheck():
    table = GATES[1].table
    x = torch.randn(3 * table.dim_in, dtype=torch.float64, requires_grad=True)
    g = torch.randn(3 * table.dim_out, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(torch.ops.eqgraph.gate, (x, table.key))
    torch.library.opcheck(torch.ops.eqgraph.gate_backward, (g, x, table.key))
    torch.library.opcheck(
        torch.ops.eqgraph.gate_double_backward, (torch.randn_like(x).requires_grad_(), g, x, table.key)
    )


def test_every_number_of_the_results_is_written(monkeypatch):
    table = GATES[1].table
    x, g = torch.randn(50 * table.dim_in), torch.randn(50 * table.dim_out)
    monkeypatch.setattr(
        sys.modules["eqgraph.ops.cpu.gate"], "empty", lambda shape, like: like.new_empty(shape).fill_(torch.nan)
    )
    for result in (cpu.gate(x, table), cpu.gate_backward(g, x, table), *cpu.gate_double_backward(x, g, x, table)):
        assert result.isfinite().all()
    torch.testing.assert_close(ops.gate(x, table), reference.gate(x, table))
