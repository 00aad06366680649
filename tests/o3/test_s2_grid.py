import warnings

import pytest
import torch

from eqgraph import o3

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import o3 as e3nn_o3

GRIDS = [
    (2, 6),
    (2, (6, 5)),
    (3, (10, 12)),
    (0, 2),
    (6, (20, 41)),
    (4, None),
    (None, 10),
    (None, (12, 7)),
    (2, (None, 9)),
]
NORMALIZATIONS = ["component", "norm", "integral"]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize(("lmax", "res"), GRIDS)
@pytest.mark.usefixtures("_float64")
def test_same_numbers_as_e3nn(lmax, res, normalization):
    ours, theirs = o3.ToS2Grid(lmax, res, normalization), e3nn_o3.ToS2Grid(lmax, res, normalization)
    assert repr(ours) == repr(theirs)
    for name in ("alphas", "betas", "sha", "shb", "grid"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=1e-12, atol=1e-13)
    x = torch.randn(2, 3, (ours.lmax + 1) ** 2)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)

    ours, theirs = o3.FromS2Grid(res, lmax, normalization), e3nn_o3.FromS2Grid(res, lmax, normalization)
    assert repr(ours) == repr(theirs)
    for name in ("alphas", "betas", "sha", "shb", "grid"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=1e-12, atol=1e-13)
    x = torch.randn(2, 3, ours.res_beta, ours.res_alpha)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("_float64")
def test_other_degree_in_and_factors_of_ones_own_as_e3nn():
    x = torch.randn(3, 12, 11)
    ours, theirs = (module.FromS2Grid(12, 3, "component", lmax_in=5) for module in (o3, e3nn_o3))
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)
    factors = torch.rand(4)
    ours, theirs = (module.FromS2Grid(12, 3, factors) for module in (o3, e3nn_o3))
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)
    ours, theirs = (module.ToS2Grid(3, 12, factors) for module in (o3, e3nn_o3))
    torch.testing.assert_close(ours(x[:, :4, :4].flatten(1)), theirs(x[:, :4, :4].flatten(1)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lmax", [0, 1, 4, 8])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_coarsest_grid_recovers_the_coefficients(lmax, normalization):
    x = torch.randn(5, (lmax + 1) ** 2).double()
    to, back = o3.ToS2Grid(lmax, None, normalization).double(), o3.FromS2Grid(None, lmax, normalization).double()
    torch.testing.assert_close(back(to(x)), x, rtol=1e-12, atol=1e-12)


def test_values_are_spherical_harmonics_at_the_grid():
    to = o3.ToS2Grid(4, (12, 15), "integral").double()
    y = o3.spherical_harmonics(list(range(5)), to.grid, normalize=True)
    torch.testing.assert_close(to(torch.eye(25).double()), y.permute(2, 0, 1), rtol=1e-12, atol=1e-12)


def test_coefficients_of_unit_variance_give_values_of_unit_variance():
    assert 0.9 < o3.ToS2Grid(4, 20)(torch.randn(2000, 25)).square().mean() < 1.1
    l = torch.arange(5).repeat_interleave(2 * torch.arange(5) + 1)
    assert 0.9 < o3.ToS2Grid(4, 20, "norm")(torch.randn(2000, 25) / (2 * l + 1).sqrt()).square().mean() < 1.1


def test_moving_to_float64_leaves_no_rounded_constants():
    grid = o3.ToS2Grid(3, 8)
    assert grid.shb.dtype == torch.float32
    torch.set_default_dtype(torch.float64)
    exact = o3.ToS2Grid(3, 8)
    torch.set_default_dtype(torch.float32)
    assert torch.equal(grid.double().shb, exact.shb)


def test_a_checkpoint_of_e3nn_can_be_loaded():
    grid = o3.ToS2Grid(3, 8)
    before = grid.shb.clone()
    grid.load_state_dict(e3nn_o3.ToS2Grid(3, 8).state_dict())
    assert torch.equal(grid.shb, before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: o3.ToS2Grid(3, 7),
            r"ToS2Grid: expected an even res_beta of at least 2 \(lmax \+ 1\) = 8, got res_beta=7",
        ),
        (
            lambda: o3.FromS2Grid(6, 3),
            r"FromS2Grid: expected an even res_beta of at least 2 \(lmax \+ 1\) = 8, got res_beta=6",
        ),
        (lambda: o3.ToS2Grid(), "ToS2Grid: expected lmax or res, got neither"),
        (
            lambda: o3.ToS2Grid(3, 8, "unit"),
            "expected a normalization of component, norm, integral or a tensor, got 'unit'",
        ),
        (
            lambda: o3.ToS2Grid(3, 8, torch.ones(3)),
            r"expected normalization of shape \(4,\), one factor per degree, got \(3,\)",
        ),
        (
            lambda: o3.ToS2Grid(3, 8)(torch.ones(15)),
            r"expected coefficients with last axis \(lmax \+ 1\)² = 16, got shape \(15,\)",
        ),
        (lambda: o3.FromS2Grid(8, 3)(torch.ones(8, 8)), r"expected values with last axes \(8, 7\), got shape \(8, 8\)"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
