import copy
import pickle
import warnings

import pytest
import torch

from eqgraph import nn, o3
from eqgraph.testing import assert_equivariant

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import nn as e3nn_nn
    from e3nn import o3 as e3nn_o3

IRREPS = "3x0e + 2x1o + 1x0o + 2x2e + 1x1o"
FUNCTIONS = [torch.sigmoid, torch.tanh, torch.nn.functional.silu]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("epsilon", [None, 1e-4])
def test_numbers_and_checkpoints_of_e3nn(function, bias, epsilon):
    arguments = {"scalar_nonlinearity": function, "normalize": True, "epsilon": epsilon, "bias": bias}
    theirs = e3nn_nn.NormActivation(e3nn_o3.Irreps(IRREPS), **arguments).double()
    ours = nn.NormActivation(IRREPS, **arguments).double()
    if bias:
        torch.nn.init.normal_(theirs.biases)
    ours.load_state_dict(theirs.state_dict())
    x = o3.Irreps(IRREPS).randn(6, 4, -1, dtype=torch.float64)
    x = (x + 0.5 * x.sign()).requires_grad_()  # where |x| is not far above ε, e3nn clamps
    outs = ours(x), theirs(x)
    torch.testing.assert_close(*outs, rtol=0, atol=1e-6 if epsilon else 1e-12)  # (ε / |x|)² / 2 apart
    inputs = (x, *ours.parameters()), (x, *theirs.parameters())
    gradients = [torch.autograd.grad(y.square().sum(), z) for y, z in zip(outs, inputs, strict=True)]
    for mine, its in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=1e-5 if epsilon else 1e-11)


def test_at_zero_as_e3nn():
    x = torch.zeros(2, 6, requires_grad=True)
    outs = [layer("2x1o", torch.sigmoid)(x) for layer in (nn.NormActivation, e3nn_nn.NormActivation)]
    assert torch.equal(*outs)
    torch.testing.assert_close(*(torch.autograd.grad(y.sum(), x)[0] for y in outs))  # 0.5 / ε


def test_what_e3nn_cannot_build():
    # e3nn 0.6.0 raises TypeError for normalize=False and AttributeError for a bias with irreps in a string
    with pytest.raises(TypeError):
        e3nn_nn.NormActivation("2x1o", torch.sigmoid, normalize=False)
    with pytest.raises(AttributeError):
        e3nn_nn.NormActivation("2x1o", torch.sigmoid, bias=True)
    x = torch.randn(5, 2, 3)
    expected = x * torch.sigmoid(x.norm(dim=-1, keepdim=True))
    out = nn.NormActivation("2x1o", torch.sigmoid, normalize=False, bias=True)(x.flatten(1))
    torch.testing.assert_close(out, expected.flatten(1))


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_equivariance(normalize, bias):
    layer = nn.NormActivation(IRREPS, torch.nn.functional.silu, normalize, bias=bias).double()
    if bias:
        torch.nn.init.normal_(layer.biases)
    assert_equivariant(layer, layer.irreps_in, layer.irreps_out)


@pytest.mark.parametrize("normalize", [True, False])
def test_derivatives_are_exact_to_second_order_also_at_zero(normalize):
    layer = nn.NormActivation(IRREPS, torch.tanh, normalize, epsilon=0.1, bias=True).double()
    torch.nn.init.normal_(layer.biases)
    x = o3.Irreps(IRREPS).randn(3, -1, dtype=torch.float64)
    x[0] = 0
    inputs = (x.requires_grad_(), layer.biases.detach().requires_grad_())

    def function(x, biases):
        return torch.func.functional_call(layer, {"biases": biases}, (x,))

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("function", [*FUNCTIONS, torch.relu])
def test_derivatives_at_zero_are_finite_in_float32(normalize, function):
    layer = nn.NormActivation(IRREPS, function, normalize, bias=True)
    x = torch.zeros(2, o3.Irreps(IRREPS).dim, requires_grad=True)
    (first,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    second = torch.autograd.grad(first.sum(), (x, layer.biases), create_graph=True)
    third = torch.autograd.grad(sum(s.sum() for s in second), x)
    for value in (first, *second, *third):
        assert value.isfinite().all()


def test_edges_of_use():
    layer = nn.NormActivation(IRREPS, torch.sigmoid, bias=True)
    dim = layer.irreps_in.dim
    x = torch.randn(4, dim)
    assert layer(torch.zeros(0, dim)).shape == (0, dim)
    assert layer(x[0]).shape == (dim,)
    assert nn.NormActivation("0x1o", torch.sigmoid)(torch.zeros(3, 0)).shape == (3, 0)
    for dtype in (torch.float16, torch.bfloat16):
        half = copy.deepcopy(layer).to(dtype)(x.to(dtype))
        assert half.dtype == dtype
        torch.testing.assert_close(half.float(), layer(x), rtol=2e-2, atol=2e-2)
        assert (layer(torch.zeros(2, dim, dtype=dtype)) == 0).all()
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(x), layer(x))
    assert (
        repr(nn.NormActivation("2x1o", torch.tanh)) == "NormActivation(2x1o, normalize=True, epsilon=1e-08, bias=False)"
    )


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"expected epsilon > 0, got 0.*Use 1e-8"):
        nn.NormActivation("2x1o", torch.sigmoid, epsilon=0.0)
    with pytest.raises(ValueError, match=r"expected features with last axis 6 \('2x1o'\), got shape \(2, 5\)"):
        nn.NormActivation("2x1o", torch.sigmoid)(torch.randn(2, 5))
