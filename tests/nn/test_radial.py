import math

import pytest
import torch
from scipy.special import spherical_jn

from eqgraph import nn


def test_bessel_basis_is_the_spherical_bessel_function():
    r = torch.linspace(0.1, 4.0, 30, dtype=torch.float64)
    basis = nn.BesselBasis(4, 4.0).double()
    expected = torch.stack(
        [n * math.pi / 4 * torch.as_tensor(spherical_jn(0, (n * math.pi / 4 * r).numpy())) for n in range(1, 5)], -1
    )
    torch.testing.assert_close(basis(r), math.sqrt(2 / 4) * expected, rtol=1e-6, atol=1e-6)


def test_bessel_basis_is_orthonormal_in_the_sphere():
    r = (torch.arange(20000, dtype=torch.float64) + 0.5) * 5 / 20000
    values = nn.BesselBasis(6, 5.0).double()(r)
    overlap = (values * r.unsqueeze(-1)).T @ (values * r.unsqueeze(-1)) * 5 / 20000
    torch.testing.assert_close(overlap, torch.eye(6, dtype=torch.float64), atol=1e-5, rtol=0)


def test_bessel_basis_is_finite_at_zero():
    r = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    values = nn.BesselBasis(3, 5.0).double()(r)
    (gradient,) = torch.autograd.grad(values.sum(), r)
    assert values.isfinite().all()
    assert gradient.isfinite().all()


def test_cutoff_goes_smoothly_to_zero():
    envelope = nn.PolynomialCutoff(5.0, power=6)
    r = torch.tensor([0.0, 5.0, 5.1, 9.0], dtype=torch.float64, requires_grad=True)
    values = envelope(r)
    (first,) = torch.autograd.grad(values.sum(), r, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), r)
    assert values[0] == 1
    for derivative in (values, first, second):
        torch.testing.assert_close(derivative[1:], torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)
    inside = envelope(torch.linspace(0, 5, 100))
    assert (inside.diff() <= 1e-6).all()


@pytest.mark.parametrize("cutoff", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("make", [lambda c: nn.BesselBasis(8, c), nn.PolynomialCutoff])
def test_cutoff_must_be_positive_and_finite(make, cutoff):
    with pytest.raises(ValueError, match="expected a positive, finite cutoff"):
        make(cutoff)


def test_power_and_number_must_make_sense():
    with pytest.raises(ValueError, match="expected power of at least 2"):
        nn.PolynomialCutoff(5.0, power=1)
    with pytest.raises(ValueError, match="expected num_radial of at least 1"):
        nn.BesselBasis(0, 5.0)
