import itertools

import pytest
import torch

from eqgraph import nn, o3
from eqgraph.testing import assert_equivariant

IRREPS = ["3x0e", "2x0e + 1x0o + 2x1o + 1x1e + 1x2e + 1x1o", "3x1e + 2x2o", "2x0o + 3x1o + 2x2e + 1x2o"]


def layer(irreps, kind, **kwargs):
    return nn.Invariants(irreps, kind, **kwargs).double()


@pytest.mark.parametrize("kind", ["norm", "power", "bispectrum"])
@pytest.mark.parametrize("irreps", IRREPS)
@pytest.mark.parametrize("num_channels", [None, 2])
def test_neither_rotations_nor_inversion_change_them(irreps, kind, num_channels):
    if kind == "norm" and num_channels is not None:
        return
    invariants = layer(irreps, kind, num_channels=num_channels)
    assert_equivariant(invariants, irreps, f"{invariants.num}x0e", num_rows=7)


def test_norms():
    x = torch.tensor([[-2.0, -3.0, 0.0, 3.0, 4.0, 0, 0, 0]], dtype=torch.float64)
    out = layer("1x0e + 1x0o + 2x1o", "norm")(x)
    torch.testing.assert_close(out, torch.tensor([[-2.0, 3.0, 5.0, 0.0]]).double(), rtol=0, atol=1e-3)
    assert out[0, 3] == 0


def test_products_of_all_pairs():
    irreps = o3.Irreps("2x1o + 1x0e + 2x2e + 1x1o + 1x1e")
    x = irreps.randn(4, -1, dtype=torch.float64)
    vectors = torch.cat([x[:, :6].view(4, 2, 3), x[:, 17:20].view(4, 1, 3)], 1)
    tensors, pseudo = x[:, 7:17].view(4, 2, 5), x[:, 20:].view(4, 1, 3)
    expected = [x[:, 6]]
    for part in (vectors, pseudo, tensors):
        for a, b in itertools.combinations_with_replacement(range(part.shape[1]), 2):
            expected.append((part[:, a] * part[:, b]).sum(-1) / part.shape[2] ** 0.5)
    out = layer(irreps, "power")(x)
    torch.testing.assert_close(out, torch.stack(expected, 1), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("irreps", [*IRREPS, "4x1e", "3x2e + 2x1e"])
def test_triple_products_are_all_that_brute_force_finds(irreps):
    """Every product of Clebsch-Gordan coefficients with three copies is one of them, up to its sign, or zero."""
    irreps = o3.Irreps(irreps)
    x = irreps.randn(6, -1, dtype=torch.float64)
    invariants = layer(irreps, "bispectrum")
    triples = invariants(x)[:, layer(irreps, "power").num :]
    copies, start = [], 0
    for mul, ir in irreps:
        for _ in range(mul):
            copies.append((ir, x[:, start : start + ir.dim]))
            start += ir.dim
    found = []
    for (a, p), (b, q), (c, r) in itertools.product(copies, repeat=3):
        if any(ir.is_scalar() for ir in (a, b, c)) or c not in a * b:
            continue
        value = torch.einsum("ijk,zi,zj,zk->z", o3.wigner_3j(a.l, b.l, c.l, dtype=torch.float64), p, q, r)
        if value.abs().max() < 1e-12:
            continue
        if not any(torch.minimum((value - f).abs().max(), (value + f).abs().max()) < 1e-12 for f in found):
            found.append(value)
    assert triples.shape[1] == len(found)
    for value in found:
        distance = torch.minimum((triples.T - value).abs().amax(1), (triples.T + value).abs().amax(1))
        assert (distance < 1e-12).sum() == 1


def test_three_pseudovectors_have_a_determinant_and_three_vectors_have_none():
    x = torch.randn(5, 9, dtype=torch.float64)
    (determinant,) = layer("3x1e", "bispectrum")(x)[:, 6:].unbind(1)
    torch.testing.assert_close(determinant.abs() * 6**0.5, torch.linalg.det(x.view(5, 3, 3)).abs())
    assert layer("3x1o", "bispectrum").num == layer("3x1o", "power").num


def test_pseudoscalars_appear_in_even_products_only():
    assert layer("2x0o", "power").num == 3
    assert layer("2x0o", "bispectrum").num == 3
    assert layer("1x0o + 1x1o + 1x1e", "bispectrum").num == 3 + 1  # the product of all three


def test_fewer_channels():
    invariants = layer("5x0e + 8x1o + 8x2e", "power", num_channels=3)
    assert invariants.num == 5 + 6 + 6
    x = invariants.irreps_in.randn(4, -1, dtype=torch.float64)
    few = torch.cat([x[:, :5], invariants.linear(x[:, 5:])], 1)
    torch.testing.assert_close(invariants(x), layer("5x0e + 3x1o + 3x2e", "power")(few))


def test_lmax_limits_triple_products():
    full, low = layer("1x1o + 1x2e + 1x3o", "bispectrum"), layer("1x1o + 1x2e + 1x3o", "bispectrum", lmax=2)
    assert low.num < full.num
    assert low.num == layer("1x1o + 1x2e", "bispectrum").num + 1  # the length of 3o


def test_scale_of_features_of_unit_variance():
    invariants = nn.Invariants("4x1o + 4x2e + 4x1e", "bispectrum")
    out = invariants(invariants.irreps_in.randn(4000, -1))
    assert 0.5 < out.std(0).median() < 1.5


@pytest.mark.parametrize("kind", ["norm", "power", "bispectrum"])
def test_derivatives_are_exact_to_second_order_and_exist_at_zero(kind):
    invariants = layer("1x0e + 1x0o + 2x1o + 2x1e", kind, eps=0.1)
    for x in (torch.randn(2, 14).double(), torch.zeros(2, 14).double()):
        assert torch.autograd.gradcheck(invariants, x.requires_grad_())
        assert torch.autograd.gradgradcheck(invariants, x)


@pytest.mark.parametrize("kind", ["norm", "power", "bispectrum"])
def test_shapes_without_rows_and_of_more_axes(kind):
    invariants = nn.Invariants("2x0e + 2x1o + 2x1e", kind)
    assert invariants(torch.zeros(0, 14)).shape == (0, invariants.num)
    x = torch.randn(2, 3, 14)
    torch.testing.assert_close(invariants(x), invariants(x.view(6, 14)).view(2, 3, -1))
    assert invariants(x[0, 0]).shape == (invariants.num,)
    assert nn.Invariants("", kind).num == 0


def test_moving_to_float64_leaves_no_rounded_constants():
    invariants = nn.Invariants("2x1e + 2x2e", "bispectrum").double()
    assert torch.equal(invariants._symbol_0, o3.wigner_3j(1, 1, 1, dtype=torch.float64))


def test_reset_parameters_draws_new_weights():
    invariants = nn.Invariants("4x1o", "power", num_channels=2)
    before = invariants.linear.weight.clone()
    invariants.reset_parameters()
    assert not torch.equal(before, invariants.linear.weight)
    nn.Invariants("4x1o").reset_parameters()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"kind": "length"}, "expected kind to be one of norm, power, bispectrum, got 'length'"),
        ({"eps": 0.0}, "expected eps > 0, got 0.0"),
        (
            {"num_channels": 4},
            "expected num_channels of at least 1 with kind 'power' or 'bispectrum', got 4 with 'norm'",
        ),
        ({"kind": "power", "num_channels": 0}, "expected num_channels of at least 1 .* got 0 with 'power'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        nn.Invariants("2x0e + 2x1o", **kwargs)


def test_features_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"expected features with last axis 8 \('2x0e\+2x1o'\), got shape \(3, 9\)"):
        nn.Invariants("2x0e + 2x1o")(torch.randn(3, 9))
