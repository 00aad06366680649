import sys
from itertools import pairwise

import pytest
import torch

from eqgraph import ops
from eqgraph.ops import cpu, reference

CASES = [((8, 64, 64, 480), False), ((8, 64, 64), True), ((3, 7, 5), False), ((3, 7), True), ((8, 33, 17, 5), True)]


def inputs(widths, rows, dtype=torch.float64, scale=0.3):
    matrices = scale * torch.randn(sum(a * b for a, b in pairwise(widths)), dtype=dtype)
    return (
        torch.randn(rows, widths[0], dtype=dtype).requires_grad_(),
        matrices.requires_grad_(),
        torch.randn(rows, widths[-1], dtype=dtype).requires_grad_(),
        torch.randn(rows, widths[0], dtype=dtype),
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("rows", [0, 1, 65, 1000])
@pytest.mark.parametrize(("widths", "activated"), CASES)
def test_values_and_derivatives_are_those_of_the_reference(widths, activated, rows, dtype, tolerance):
    h, matrices, g, a = inputs(widths, rows, dtype)
    results = []
    for function in (ops.mlp, reference.mlp):
        out = function(h, matrices, widths, activated)
        (gh,) = torch.autograd.grad(out, h, g, create_graph=True)
        (gmatrices,) = torch.autograd.grad(out, matrices, g, retain_graph=True)
        second = torch.autograd.grad(gh, (g, h, matrices), a, materialize_grads=True, allow_unused=True)
        results.append([out, gh, gmatrices, *second])
    for ours, theirs in zip(*results, strict=True):
        scale = theirs.abs().max().clamp(min=1) if theirs.numel() else 1
        torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("activated", [False, True])
def test_gradcheck_to_third_order(activated):
    widths = (2, 3, 2)
    h, matrices, _, _ = inputs(widths, 3)

    def gradient(h, matrices):
        return torch.autograd.grad(ops.mlp(h, matrices, widths, activated).square().sum(), h, create_graph=True)[0]

    assert torch.autograd.gradcheck(lambda h, m: ops.mlp(h, m, widths, activated), (h, matrices))
    assert torch.autograd.gradgradcheck(lambda h, m: ops.mlp(h, m, widths, activated), (h, matrices))
    assert torch.autograd.gradgradcheck(gradient, (h, matrices))


def test_opcheck():
    widths = (2, 3, 4)
    h, matrices, g, a = inputs(widths, 5)
    torch.library.opcheck(torch.ops.eqgraph.mlp, (h, matrices, widths, True))
    for learns in (True, False):
        torch.library.opcheck(torch.ops.eqgraph.mlp_backward, (g, h, matrices, widths, True, learns))
    torch.library.opcheck(torch.ops.eqgraph.mlp_double_backward, (a.requires_grad_(), g, h, matrices, widths, False))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_silu_of_any_number(dtype):
    h = torch.tensor(
        [0.0, -0.0, 1e-30, -1e-30, 1.0, -1.0, 30.0, -30.0, 100.0, -100.0, 1e4, -1e4, 1e30, float("nan")], dtype=dtype
    )
    ours = ops.mlp(h.unsqueeze(1), torch.ones(1, dtype=dtype), (1, 1), activated=True).squeeze(1)
    theirs = torch.nn.functional.silu(h)
    tiny = torch.finfo(dtype).tiny * 100  # numbers without all their digits may be lost
    torch.testing.assert_close(ours, theirs, rtol=1e-6 if dtype == torch.float32 else 1e-14, atol=tiny, equal_nan=True)


def test_no_layer_and_no_hidden_layer():
    h = torch.randn(3, 2)
    assert ops.mlp(h, torch.empty(0), (2,), activated=True) is h
    torch.testing.assert_close(ops.mlp(h, torch.ones(4), (2, 2)), h @ torch.ones(2, 2))


def test_every_number_of_the_results_is_written_and_the_same_for_any_number_of_threads(monkeypatch):
    widths = (8, 24, 33)
    h, matrices, g, a = (tensor.detach() for tensor in inputs(widths, 1500, torch.float32))
    monkeypatch.setattr(
        sys.modules["eqgraph.ops.cpu.mlp"], "empty", lambda shape, like: like.new_empty(shape).fill_(torch.nan)
    )
    results, threads = [], torch.get_num_threads()
    for number in (1, 2):
        torch.set_num_threads(number)
        try:
            results.append(
                [
                    cpu.mlp(h, matrices, widths, False),
                    *cpu.mlp_backward(g, h, matrices, widths, False, True),
                    *cpu.mlp_double_backward(a, g, h, matrices, widths, False),
                ]
            )
        finally:
            torch.set_num_threads(threads)
    assert all(torch.equal(one, two) and one.isfinite().all() for one, two in zip(*results, strict=True))
