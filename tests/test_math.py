import math

import numpy as np
import pytest
import torch

from eqgraph.math import (
    bessel,
    direct_sum,
    moment,
    normalize2mom,
    soft_one_hot_linspace,
    soft_unit_step,
)

F = torch.nn.functional
BASES = ("gaussian", "cosine", "smooth_finite", "fourier", "bessel")


# ------------------------------------------------------------------ moments
@pytest.mark.parametrize(
    ("f", "cst"),
    [
        (torch.tanh, 1.59253742),
        (torch.relu, 2**0.5),
        (torch.sigmoid, 1.84622855),
        (F.silu, 1.67653247),
        (F.selu, 1.0),
        (torch.abs, 1.0),
        (F.softplus, 1.04186684),
        (F.gelu, 1.53353044),
        (F.elu, 1.24519830),
        (F.leaky_relu, 1.41414286),
        (torch.square, 3**-0.5),
        (torch.exp, math.exp(-1)),
        (torch.sin, (2 / (1 - math.exp(-2))) ** 0.5),
        (lambda x: (x > 0).to(x.dtype), 2**0.5),
        (F.hardtanh, 1.3920361404),
    ],
)
def test_normalize2mom_constants(f, cst):
    assert normalize2mom(f).cst == pytest.approx(cst, abs=1e-8)


def test_hardtanh_constant_in_closed_form():
    phi, density = 0.5 * (1 + math.erf(1 / 2**0.5)), math.exp(-0.5) / math.sqrt(2 * math.pi)
    assert normalize2mom(F.hardtanh).cst ** -2 == pytest.approx(1 - 2 * density, abs=1e-13)
    assert 2 * phi - 1 - 2 * density + 2 * (1 - phi) == pytest.approx(1 - 2 * density)


def test_normalize2mom_keeps_the_second_moment():
    z = torch.randn(1_000_000)
    for f in (torch.tanh, torch.relu, F.silu):
        assert normalize2mom(f)(z).square().mean().item() == pytest.approx(1, abs=1e-2)


def test_normalize2mom_leaves_a_normalized_function_alone():
    f = normalize2mom(F.selu)
    x = torch.randn(10)
    assert f.cst == 1
    assert torch.equal(f(x), F.selu(x))


def test_normalize2mom_of_a_module():
    f = normalize2mom(torch.nn.PReLU())
    assert f.cst == pytest.approx((2 / (1 + 0.25**2)) ** 0.5, abs=1e-6)
    assert [name for name, _ in f.named_parameters()] == ["f.weight"]
    assert not normalize2mom(torch.tanh).state_dict()
    assert repr(normalize2mom(torch.tanh)) == "normalize2mom(tanh, cst=1.592537)"


def test_normalize2mom_dtype_follows_the_input():
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert normalize2mom(torch.tanh)(torch.ones(2, dtype=dtype)).dtype == dtype


def test_normalize2mom_does_not_touch_the_random_state():
    state = torch.get_rng_state()
    normalize2mom(torch.tanh)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("f", [torch.zeros_like, torch.log, lambda x: x / 0])
def test_normalize2mom_errors(f):
    with pytest.raises(ValueError, match=r"expected a function whose square has a positive finite mean, got .*Choose"):
        normalize2mom(f)


@pytest.mark.parametrize(("n", "value"), [(0, 1), (1, 0), (2, 1), (3, 0), (4, 3), (8, 105)])
def test_moments_of_the_normal_distribution(n, value):
    result = moment(lambda z: z, n, dtype=torch.float64)
    assert result.item() == pytest.approx(value, abs=1e-12)
    assert result.shape == ()
    assert moment(lambda z: z, n).dtype == torch.float32


# ------------------------------------------------------------------ radial functions
@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("cutoff", [True, False])
@pytest.mark.parametrize("number", [1, 2, 7])
def test_soft_one_hot_is_finite_with_derivatives(basis, cutoff, number):
    """e3nn: bessel is nan where x == start; one function without cutoff raises IndexError."""
    x = torch.tensor([-10.0, -0.5, -0.1, 0.0, 1e-12, 0.3, 1.0, 2.5, 100.0], requires_grad=True)
    y = soft_one_hot_linspace(x, -0.5, 2.5, number, basis, cutoff)
    assert y.shape == (9, number)
    assert y.isfinite().all()
    (grad,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert grad.isfinite().all()
    if grad.requires_grad:
        assert torch.autograd.grad(grad.sum(), x)[0].isfinite().all()


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("cutoff", [True, False])
def test_soft_one_hot_derivatives(basis, cutoff):
    x = torch.tensor([-0.2, 0.13, 0.9, 1.7, 2.2], dtype=torch.float64, requires_grad=True)

    def f(x):
        return soft_one_hot_linspace(x, -0.5, 2.5, 4, basis, cutoff)

    assert torch.autograd.gradcheck(f, x)
    assert torch.autograd.gradgradcheck(f, x)


@pytest.mark.parametrize("basis", BASES[1:])
def test_soft_one_hot_with_cutoff_vanishes_outside(basis):
    x = torch.tensor([-3.0, -0.5 - 1e-4, 2.5, 2.5 + 1e-4, 7.0])
    assert torch.equal(soft_one_hot_linspace(x, -0.5, 2.5, 5, basis, cutoff=True), torch.zeros(5, 5))


@pytest.mark.parametrize(
    ("basis", "tolerance"), [("gaussian", 0.02), ("cosine", 1e-5), ("smooth_finite", 0.35), ("fourier", 0.1)]
)
def test_squares_of_soft_one_hot_sum_to_about_one(basis, tolerance):
    x = torch.linspace(-0.2, 0.7, 50)
    y = soft_one_hot_linspace(x, -0.5, 1.5, 40, basis, cutoff=True).square().sum(-1)
    assert (y - 1).abs().max() < tolerance


def test_soft_one_hot_without_cutoff_has_centers_on_the_ends():
    x = torch.tensor([1.0, 2.0, 3.0])
    assert torch.equal(soft_one_hot_linspace(x, 1.0, 3.0, 3, "cosine", cutoff=False).round(decimals=6), torch.eye(3))


def test_soft_one_hot_keeps_dtype_and_device():
    for basis in BASES:
        for cutoff in (True, False):
            x = torch.ones(2, dtype=torch.float64, device="meta")
            y = soft_one_hot_linspace(x, 0.0, 3.0, 3, basis, cutoff)
            assert (y.dtype, y.device.type, y.shape) == (torch.float64, "meta", (2, 3))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"cutoff": None}, "expected cutoff True or False, got None. Pass True for functions that vanish"),
        ({"basis": "foo"}, "expected a basis of 'gaussian', .* got 'foo'. Choose one"),
        ({"basis": None}, "got None"),
        ({"end": 0.0}, r"expected start < end and number >= 1, got start=0\.0, end=0\.0, number=3"),
        ({"number": 0}, "number=0. Check their order"),
    ],
)
def test_soft_one_hot_errors(kwargs, message):
    arguments = {"start": 0.0, "end": 1.0, "number": 3, "basis": "gaussian", "cutoff": True} | kwargs
    with pytest.raises(ValueError, match=message):
        soft_one_hot_linspace(torch.ones(2), **arguments)


def test_soft_unit_step():
    x = torch.tensor([-1.0, 0.0, 1e-30, 1e-3, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    y = soft_unit_step(x)
    expected = [0.0, 0.0, 0.0, 0.0, math.exp(-2), math.exp(-1 / 3)]
    torch.testing.assert_close(y, torch.tensor(expected, dtype=torch.float64))
    for _ in range(4):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        assert y.isfinite().all()
        assert torch.equal(y[:3], torch.zeros(3, dtype=torch.float64))
    inside = torch.tensor([-0.5, 0.1, 0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(soft_unit_step, inside)


def test_bessel_functions_are_orthonormal():
    nodes, weights = np.polynomial.legendre.leggauss(60)
    x = torch.tensor((nodes + 1) * 1.5)
    y = bessel(x, 6, 3.0)
    gram = torch.einsum("xi,xj,x->ij", y, y, torch.tensor(weights * 1.5) * x**2)
    torch.testing.assert_close(gram, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-12)


def test_bessel_at_zero_has_the_limit_and_its_derivatives():
    x = torch.tensor([0.0, 1e-6], dtype=torch.float64, requires_grad=True)
    y = bessel(x, 3, 2.0)
    k = math.pi / 2 * torch.arange(1, 4, dtype=torch.float64)
    torch.testing.assert_close(y, k.expand(2, 3), rtol=1e-10, atol=0)  # √(2 / 2) = 1
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(first, -(k**3).sum() / 3 * x, rtol=1e-8, atol=0)
    torch.testing.assert_close(second, -(k**3).sum().expand(2) / 3, rtol=1e-8, atol=0)


# ------------------------------------------------------------------ matrices
def test_direct_sum():
    a, b = torch.randn(5, 1, 2, 3), torch.randn(4, 1, 1)
    c = direct_sum(a, b, torch.empty(0, 2))
    assert c.shape == (5, 4, 3, 6)
    torch.testing.assert_close(c[2, 3], torch.block_diag(a[2, 0], b[3], torch.empty(0, 2)))


def test_direct_sum_of_nothing():
    """e3nn raises IndexError."""
    assert direct_sum().shape == (0, 0)
