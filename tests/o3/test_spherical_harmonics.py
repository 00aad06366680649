import inspect
import math

import pytest
import torch

from eqgraph import o3
from eqgraph.testing import assert_equivariant


@pytest.mark.parametrize("irreps_in", ["1o", "1e"])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("normalization", ["integral", "component", "norm"])
def test_equivariance(irreps_in, normalize, normalization):
    sh = o3.SphericalHarmonics([0, 3, 1, 5, 3], normalize, normalization, irreps_in=irreps_in)
    assert_equivariant(sh, sh.irreps_in, sh.irreps_out, tolerance=1e-12)


@pytest.mark.parametrize(
    ("normalization", "square"),
    [("integral", lambda l: (2 * l + 1) / (4 * math.pi)), ("component", lambda l: 2 * l + 1), ("norm", lambda l: 1)],
)
def test_length_on_the_sphere(normalization, square):
    for l in (0, 1, 4, 13):  # no limit on l
        y = o3.spherical_harmonics(l, torch.randn(10, 3, dtype=torch.float64), True, normalization)
        torch.testing.assert_close(y.square().sum(-1), torch.full((10,), square(l), dtype=torch.float64))


@pytest.mark.parametrize(
    ("l", "irreps_out", "irreps_in"),
    [
        (2, "2e", "1o"),
        ([0, 1, 2], "0e+1o+2e", "1o"),
        ([2, 0, 2], "2e+0e+2e", "1o"),
        ("0e + 1e", "0e+1e", "1e"),
        ("3x1o + 0e", "3x1o+0e", "1o"),
        (o3.Irreps("2x2e"), "2x2e", "1o"),
        (range(3), "0e+1o+2e", "1o"),
        ([], "", "1o"),
    ],
)
def test_irreps(l, irreps_out, irreps_in):
    sh = o3.SphericalHarmonics(l, True)
    assert (sh.irreps_out, sh.irreps_in) == (o3.Irreps(irreps_out), o3.Irreps(irreps_in))
    x = torch.randn(4, 2, 3)
    y = sh(x)
    assert y.shape == (4, 2, sh.irreps_out.dim)
    blocks = [o3.spherical_harmonics(degree, x, True) for degree in sh.irreps_out.ls]
    assert torch.equal(y, torch.cat([x[..., :0], *blocks], dim=-1))


def test_without_normalize_they_are_homogeneous_polynomials():
    x = torch.randn(5, 3, dtype=torch.float64)
    y, z = (o3.spherical_harmonics([0, 1, 2, 3], x, normalize) for normalize in (False, True))
    r = x.norm(dim=-1, keepdim=True) ** torch.tensor([0, *[1] * 3, *[2] * 5, *[3] * 7])
    torch.testing.assert_close(y, r * z)


@pytest.mark.parametrize("normalize", [True, False])
def test_the_zero_vector_has_finite_values_and_derivatives(normalize):
    x = torch.zeros(2, 3, requires_grad=True)
    y = o3.spherical_harmonics([0, 1, 2, 3], x, normalize, "component")
    assert torch.equal(y[0], torch.tensor([1.0, *[0.0] * 15]))
    (grad,) = torch.autograd.grad((y * torch.randn(16)).sum(), x, create_graph=True)
    assert grad.abs().max() < 10
    if normalize:
        assert torch.equal(grad, torch.zeros(2, 3))
    (second,) = torch.autograd.grad((grad * torch.randn(3)).sum(), x)
    assert second.isfinite().all()


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("normalization", ["integral", "norm"])
def test_derivatives(normalize, normalization):
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    sh = o3.SphericalHarmonics([1, 4, 0], normalize, normalization)
    assert torch.autograd.gradcheck(sh, x)
    assert torch.autograd.gradgradcheck(sh, x)


def test_dtype_follows_the_input_without_loss():
    x = torch.randn(10, 3, dtype=torch.float64)
    y = o3.SphericalHarmonics([0, 1, 2, 3], True, "norm")(x)
    assert y.dtype == torch.float64
    torch.testing.assert_close(y[:, :4].square().sum(-1), torch.full((10,), 2.0).double(), rtol=0, atol=1e-14)
    assert not o3.SphericalHarmonics(2, True).state_dict()


def test_repr():
    assert repr(o3.SphericalHarmonics([0, 1], True)) == (
        "SphericalHarmonics(1x1o -> 1x0e+1x1o, normalize=True, normalization='integral')"
    )


def test_errors():
    with pytest.raises(
        ValueError, match=r"expected parity -1 for degree 1 of '1x1o', got '1e' in irreps_out='1x1o\+1x1e'"
    ):
        o3.SphericalHarmonics("1o + 1e", True, irreps_in="1o")
    with pytest.raises(
        ValueError, match=r"expected parity -1 for degree 1 .* got '1e'.*Change its parity, or irreps_in"
    ):
        o3.SphericalHarmonics("1e", True, irreps_in="1o")
    with pytest.raises(ValueError, match="expected parity 1 for degree 1"):
        o3.SphericalHarmonics("1o + 1e", True)
    with pytest.raises(ValueError, match=r"expected irreps_in '1o' \(a vector\) or '1e' .* got '2x1o'"):
        o3.SphericalHarmonics("1o", True, irreps_in="2x1o")
    with pytest.raises(ValueError, match=r"expected a normalization of .* got 'foo'. Choose one"):
        o3.SphericalHarmonics("1o", True, "foo")
    with pytest.raises(ValueError, match="expected a degree l >= 0"):
        o3.spherical_harmonics([-1], torch.ones(3), True)
    with pytest.raises(ValueError, match=r"expected vectors with last axis 3, got shape \(2, 4\)"):
        inspect.unwrap(o3.SphericalHarmonics.forward)(o3.SphericalHarmonics(1, True), torch.ones(2, 4))
