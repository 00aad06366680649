import warnings

import pytest
import torch

from eqgraph import nn
from eqgraph.testing import assert_equivariant

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import nn as e3nn_nn

CASES = [
    ("16x0e", [torch.nn.functional.silu]),
    ("4x0e + 3x0o + 2x0o", [torch.relu, torch.tanh, torch.abs]),
    ("2x0e + 1x1o + 2x2e", [torch.sigmoid, None, None]),
]


@pytest.mark.parametrize(("irreps", "acts"), CASES)
def test_same_irreps_and_numbers_as_e3nn(irreps, acts):
    ours, theirs = nn.Activation(irreps, acts), e3nn_nn.Activation(irreps, acts)
    assert repr(ours) == repr(theirs)
    assert str(ours.irreps_out) == str(theirs.irreps_out)
    x = ours.irreps_in.randn(4, 3, -1)
    torch.testing.assert_close(ours(x), theirs(x), rtol=5e-3, atol=1e-6)
    turned = x.movedim(-1, 1)
    torch.testing.assert_close(ours(turned, dim=1), ours(x).movedim(-1, 1))


@pytest.mark.parametrize(("irreps", "acts"), CASES)
def test_equivariance(irreps, acts):
    activation = nn.Activation(irreps, acts)
    assert_equivariant(activation, activation.irreps_in, activation.irreps_out)


def test_second_moment_is_kept():
    z = torch.randn(200_000, 1)
    for act in (torch.tanh, torch.relu, torch.nn.functional.silu, torch.sigmoid):
        assert abs(nn.Activation("0e", [act])(z).square().mean() - 1) < 0.02


@pytest.mark.parametrize(
    ("irreps", "acts", "message"),
    [
        ("2x0e + 1x1o", [torch.tanh], r"got 1 for 2 blocks"),
        ("1x1o", [torch.tanh], r"expected scalars wherever a function is given, got '1x1o'"),
        ("1x0o", [torch.relu], r"parity is violated"),
    ],
)
def test_what_would_break_equivariance_is_refused(irreps, acts, message):
    with pytest.raises(ValueError, match=message):
        nn.Activation(irreps, acts)


def test_functions_as_they_are():
    activation = nn.Activation("2x0e + 1x0o + 1x1o", [torch.relu, torch.tanh, None], normalize=False)
    x = activation.irreps_in.randn(7, -1)
    expected = torch.cat([torch.relu(x[:, :2]), torch.tanh(x[:, 2:3]), x[:, 3:]], dim=1)
    assert torch.equal(activation(x), expected)
    with pytest.raises(ValueError, match=r"parity is violated"):
        nn.Activation("1x0o", [torch.relu], normalize=False)


@pytest.mark.parametrize("irreps", ["4x0e", "2x0e + 2x0o"])
def test_another_width_is_refused(irreps):
    activation = nn.Activation(irreps, [torch.tanh] * len(irreps.split("+")))
    with pytest.raises(ValueError, match=r"expected features with 4 entries along axis -1 .* got shape \(3, 5\)"):
        activation(torch.randn(3, 5))
