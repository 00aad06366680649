import pytest
import torch

from eqgraph import ops
from eqgraph.ops.reference import solid_harmonics


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("lmax", range(1, 7))
def test_harmonics_and_derivatives_are_those_of_the_reference(lmax, dtype, tolerance):
    x = torch.nn.functional.normalize(torch.randn(20, 3, dtype=dtype), dim=-1)
    x[0] = 0
    g, a = torch.randn(20, (lmax + 1) ** 2, dtype=dtype, requires_grad=True), torch.randn(20, 3, dtype=dtype)
    results = []
    for function in (ops.solid_harmonics, solid_harmonics):
        vec = x.clone().requires_grad_()
        y = function(vec, lmax)
        (gvec,) = torch.autograd.grad(y, vec, g, create_graph=True)
        second = torch.autograd.grad(gvec, (g, vec), a, allow_unused=True, materialize_grads=True)
        results.append([y, gvec, *second])
    for ours, theirs in zip(*results, strict=True):
        scale = theirs.abs().max().clamp(min=1)
        torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=tolerance)


def test_gradcheck_to_third_order():
    x = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    x.data[0] = 0
    assert torch.autograd.gradcheck(lambda v: ops.solid_harmonics(v, 3), x)
    assert torch.autograd.gradgradcheck(lambda v: ops.solid_harmonics(v, 3), x)

    def gradient(v):
        return torch.autograd.grad(ops.solid_harmonics(v, 3).square().sum(), v, create_graph=True)[0]

    assert torch.autograd.gradgradcheck(gradient, x)


def test_opcheck():
    x, g, a = (torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (3, 9, 3))
    torch.library.opcheck(torch.ops.eqgraph.harmonics, (x, 2))
    torch.library.opcheck(torch.ops.eqgraph.harmonics_backward, (g, x, 2))
    torch.library.opcheck(torch.ops.eqgraph.harmonics_double_backward, (a, g, x, 2))


def test_any_number_of_axes_and_none():
    x = torch.randn(2, 5, 3)
    assert torch.equal(ops.solid_harmonics(x, 2)[1, 3], ops.solid_harmonics(x[1, 3], 2))
    assert ops.solid_harmonics(torch.zeros(0, 3), 2).shape == (0, 9)


def test_high_degrees_have_no_kernel():
    x = torch.randn(4, 3, dtype=torch.float64)
    assert torch.equal(ops.solid_harmonics(x, 9), solid_harmonics(x, 9))


def test_the_constant_harmonic_has_no_gradient():
    x = torch.randn(4, 3, requires_grad=True)
    y = ops.solid_harmonics(x, 0)
    assert (y == 1).all()
    assert (torch.autograd.grad(y.sum(), x)[0] == 0).all()
