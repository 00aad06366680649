import warnings

import pytest
import torch

from eqgraph import nn, o3
from eqgraph.testing import assert_equivariant

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import e3nn.nn
    from e3nn import o3 as e3nn_o3

IRREPS = ["0e + 1o + 2e", "0e + 1e + 2e + 3e", "0e", "0o + 1e + 2o", "0o + 1o"]


def theirs_of(ours: nn.S2Activation, *args, **kwargs):
    theirs = e3nn.nn.S2Activation(e3nn_o3.Irreps(str(ours.irreps_in)), *args, **kwargs)
    theirs.act.cst = ours.act.cst  # theirs is estimated from random numbers
    return theirs


@pytest.mark.parametrize("irreps", IRREPS)
@pytest.mark.parametrize("act", [torch.tanh, torch.abs])
@pytest.mark.parametrize(("res", "lmax_out"), [(8, None), ((10, 13), 4), (12, 1)])
@pytest.mark.parametrize("normalization", ["component", "norm", "integral"])
@pytest.mark.usefixtures("_float64")
def test_same_numbers_as_e3nn(irreps, act, res, lmax_out, normalization):
    ours = nn.S2Activation(irreps, act, res, normalization, lmax_out)
    theirs = theirs_of(ours, act, res, normalization, lmax_out)
    assert repr(ours) == repr(theirs)
    x = ours.irreps_in.randn(2, 3, -1)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("_float64")
def test_channels_are_functions_of_their_own():
    layer, one = (nn.S2Activation(i, torch.relu, 10) for i in ("3x0e + 3x1o + 3x2e", "0e + 1o + 2e"))
    x = layer.irreps_in.randn(4, -1)
    scalars, vectors, tensors = x.split([3, 9, 15], -1)
    channels = torch.cat([scalars.view(4, 3, 1), vectors.view(4, 3, 3), tensors.view(4, 3, 5)], -1)
    out = one(channels)
    expected = torch.cat([out[..., :1].flatten(1), out[..., 1:4].flatten(1), out[..., 4:].flatten(1)], -1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)
    assert str(layer.irreps_out) == "3x0e+3x1o+3x2e"


@pytest.mark.parametrize("irreps", IRREPS)
def test_a_polynomial_that_the_grid_resolves_is_equivariant_exactly(irreps):
    """φ(f) = f² (even) and f³ (odd) have degrees up to 9 and 12 in the integrand."""
    for act in (torch.square, lambda f: f**3):
        layer = nn.S2Activation(f"2x{irreps.replace(' + ', ' + 2x')}", act, 20).double()
        assert_equivariant(layer, layer.irreps_in, layer.irreps_out)


@pytest.mark.parametrize(
    ("act", "errors"),
    [
        (torch.nn.functional.silu, {8: 1e-2, 10: 4e-3, 14: 2e-4, 20: 3e-6, 30: 1e-8, 40: 2e-11}),
        (torch.tanh, {8: 5e-2, 10: 1e-2, 14: 2e-3, 20: 2e-4, 30: 4e-6, 40: 9e-8}),
        (torch.relu, {8: 5e-2, 10: 3e-2, 14: 9e-3, 20: 3e-3, 30: 1e-3, 40: 5e-4}),
    ],
)
def test_errors_of_equivariance_are_those_that_the_documentation_gives(act, errors):
    for res, error in errors.items():
        layer = nn.S2Activation("8x0e + 8x1o + 8x2e", act, res).double()
        x, rotation = layer.irreps_in.randn(100, -1, dtype=torch.float64), -o3.rand_matrix(dtype=torch.float64)
        turn_in, turn_out = (irreps.D_from_matrix(rotation).T for irreps in (layer.irreps_in, layer.irreps_out))
        out = layer(x)
        measured = ((layer(x @ turn_in) - out @ turn_out).norm() / out.norm()).item()
        assert error / 10 < measured < 10 * error  # the largest features decide, others in each draw


def test_turning_the_grid_onto_itself_is_exact():
    layer = nn.S2Activation("4x0e + 4x1o + 4x2e", torch.relu, (6, 5)).double()
    rotation = o3.matrix_y(torch.tensor(2 * torch.pi / 5, dtype=torch.float64))
    x, turn = layer.irreps_in.randn(7, -1, dtype=torch.float64), layer.irreps_in.D_from_matrix(rotation).T
    torch.testing.assert_close(layer(x @ turn), layer(x) @ turn, rtol=1e-12, atol=1e-12)


def test_random_rotations_change_the_result_by_the_error_of_the_grid_only():
    x = o3.Irreps("4x0e + 4x1o").randn(50, -1, dtype=torch.float64)
    plain, turned = (nn.S2Activation("4x0e + 4x1o", torch.tanh, 30, random_rot=r).double() for r in (False, True))
    torch.testing.assert_close(turned(x), plain(x), rtol=1e-7, atol=1e-7)
    assert not torch.equal(turned(x), plain(x))


def test_derivatives_are_exact_to_second_order():
    layer = nn.S2Activation("2x0e + 2x1o", torch.tanh, 4).double()
    x = torch.randn(2, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


def test_many_functions_in_several_parts_give_the_same_values_and_derivatives(monkeypatch):
    layer, x = nn.S2Activation("2x0e + 2x1o", torch.tanh, 6).double(), torch.randn(2, 5, 8).double().requires_grad_()

    def all_of():
        value = layer(x)
        (first,) = torch.autograd.grad(value.square().sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        return value, first, second

    expected = all_of()
    monkeypatch.setattr("eqgraph.nn.activation.s2_activation._MAX_VALUES", 100)  # 3 functions of 30 points each
    torch.testing.assert_close(all_of(), expected, rtol=1e-12, atol=1e-12)


def test_no_rows():
    assert nn.S2Activation("2x0e + 2x1o", torch.tanh, 4)(torch.zeros(0, 8)).shape == (0, 8)


def test_moving_to_float64_leaves_no_rounded_constants():
    layer = nn.S2Activation("0e + 1o", torch.tanh, 4)
    torch.set_default_dtype(torch.float64)
    exact = nn.S2Activation("0e + 1o", torch.tanh, 4)
    torch.set_default_dtype(torch.float32)
    assert torch.equal(layer.double()._to_grid, exact._to_grid)
    assert torch.equal(layer._from_grid, exact._from_grid)


def test_a_checkpoint_of_e3nn_can_be_loaded():
    layer = nn.S2Activation("0e + 1o", torch.tanh, 4)
    layer.load_state_dict(theirs_of(layer, torch.tanh, 4).state_dict())


@pytest.mark.parametrize(
    ("irreps", "act", "message"),
    [
        ("2x0e + 3x1o", torch.tanh, "expected equally many copies of each degree 0 ... lmax, in this order, got '2x0e"),
        ("0e + 2e", torch.tanh, "expected equally many copies of each degree"),
        ("", torch.tanh, "expected equally many copies of each degree"),
        ("0e + 1o + 2o", torch.tanh, "expected parities that are all equal, or alternate with the degree, got '1x0e"),
        ("0o + 1e", torch.relu, "parity is violated: expected an even or odd function for '1x0o"),
    ],
)
def test_irreps_that_are_no_functions_on_the_sphere_are_refused(irreps, act, message):
    with pytest.raises(ValueError, match=message):
        nn.S2Activation(irreps, act, 10)


def test_features_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"expected features with last axis 8 \('2x0e\+2x1o'\), got shape \(3, 9\)"):
        nn.S2Activation("2x0e + 2x1o", torch.tanh, 4)(torch.randn(3, 9))
