import copy
import pickle

import pytest
import torch

from eqgraph import nn, o3
from eqgraph.testing import assert_equivariant

IRREPS = "3x0e + 2x1o + 1x0o + 2x2e + 2x1o + 1x3o"
shared = pytest.mark.parametrize("shared_direction", [False, True])


def built(**options):
    layer = nn.VectorPReLU(IRREPS, **options).double()
    torch.nn.init.uniform_(layer.weight)
    return layer


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
@shared
def test_formula_of_vector_neurons(slope, shared_direction):
    """x: (points, channels, 3), directions by a matrix over channels; the published layer, case by case."""
    layer = nn.VectorPReLU("4x1o", init=slope, shared_direction=shared_direction).double()
    x = torch.randn(50, 4, 3, dtype=torch.float64)
    w = layer.direction.weight.reshape(4, -1) / 2  # o3.Linear divides by sqrt(fan in)
    d = torch.einsum("nux,uw->nwx", x, w).expand(50, 4, 3)
    inner, square = (x * d).sum(-1, keepdim=True), (d * d).sum(-1, keepdim=True)
    assert (inner < 0).any()
    assert (inner > 0).any()
    rectified = torch.where(inner >= 0, x, x - inner / (square + 1e-6) * d)
    torch.testing.assert_close(layer(x.flatten(1)), (slope * x + (1 - slope) * rectified).flatten(1))


@shared
@pytest.mark.parametrize("num_parameters", [1, 11])
def test_equivariance(shared_direction, num_parameters):
    layer = built(shared_direction=shared_direction, num_parameters=num_parameters)
    assert_equivariant(layer, layer.irreps_in, layer.irreps_out, num_rows=20)


def test_what_is_cut_off_has_no_component_along_the_normal():
    layer = nn.VectorPReLU("3x2e", init=0.0, epsilon=1e-12).double()
    x = torch.randn(40, 15, dtype=torch.float64)
    y, d = (v.unflatten(1, (3, 5)) for v in (layer(x), layer.direction(x)))
    assert ((y * d).sum(-1) > -1e-9).all()
    behind = ((x.unflatten(1, (3, 5)) * d).sum(-1)) < 0
    assert (y * d).sum(-1)[behind].abs().max() < 1e-9


def test_slope_one_is_the_identity():
    x = o3.Irreps(IRREPS).randn(5, -1)
    torch.testing.assert_close(nn.VectorPReLU(IRREPS, init=1.0)(x), x)


@shared
def test_derivatives_are_exact_to_second_order_also_at_zero(shared_direction):
    layer = built(shared_direction=shared_direction, num_parameters=11)
    x = o3.Irreps(IRREPS).randn(3, -1, dtype=torch.float64)
    x[0] = 0
    names = [name for name, _ in layer.named_parameters()]
    inputs = (x.requires_grad_(), *(p.detach().requires_grad_() for p in layer.parameters()))

    def function(x, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True, atol=1e-4)


def test_edges_of_use():
    layer = nn.VectorPReLU(IRREPS)
    dim = layer.irreps_in.dim
    x = torch.randn(4, dim)
    assert layer(torch.zeros(0, dim)).shape == (0, dim)
    assert layer(x[None])[0].shape == (4, dim)
    assert nn.VectorPReLU("0x1o")(torch.zeros(3, 0)).shape == (3, 0)
    assert nn.VectorPReLU("2x0e + 0x1o", shared_direction=True)(torch.randn(3, 2)).shape == (3, 2)
    half = copy.deepcopy(layer).bfloat16()(x.bfloat16())
    assert half.dtype == torch.bfloat16
    zero = torch.zeros(2, dim, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(zero).sum(), zero)
    assert torch.equal(gradient, torch.ones_like(zero))
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(x), layer(x))
    before = layer.direction.weight.clone()
    layer.reset_parameters()
    assert not torch.equal(layer.direction.weight, before)
    assert repr(nn.VectorPReLU("2x1o")) == "VectorPReLU(2x1o, num_parameters=1)"


def test_what_does_not_fit_is_refused():
    with pytest.raises(
        ValueError, match=r"expected num_parameters of 1 or 6, the number of irreps in '4x0e\+2x1o', got 4"
    ):
        nn.VectorPReLU("4x0e + 2x1o", 4)
    with pytest.raises(ValueError, match=r"expected epsilon > 0, got 0"):
        nn.VectorPReLU("2x1o", epsilon=0.0)
    with pytest.raises(ValueError, match=r"expected features with last axis 6 \('2x1o'\), got shape \(2, 5\)"):
        nn.VectorPReLU("2x1o")(torch.randn(2, 5))
