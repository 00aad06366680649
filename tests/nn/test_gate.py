import warnings

import pytest
import torch

from eqgraph import nn, o3
from eqgraph.testing import assert_equivariant

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import nn as e3nn_nn

silu, tanh, sigmoid = torch.nn.functional.silu, torch.tanh, torch.sigmoid
CASES = [
    ("16x0e", [tanh], "8x0e", [sigmoid], "8x1o"),
    ("3x0e + 2x0o", [silu, tanh], "2x0e + 3x0o", [sigmoid, tanh], "2x1o + 3x1e"),
    ("2x0e + 2x0e", [tanh, None], "1x0e + 2x0e", [sigmoid, tanh], "2x2e + 1x1o"),
    ("2x0o", [torch.abs], "1x0e", [sigmoid], "1x1e"),
    ("4x0e", [silu], "", [], ""),
    ("", [], "2x0e", [silu], "2x1o"),
]


@pytest.mark.parametrize("arguments", CASES)
def test_same_irreps_and_numbers_as_e3nn(arguments):
    ours, theirs = nn.Gate(*arguments), e3nn_nn.Gate(*arguments)
    assert str(ours.irreps_in) == str(theirs.irreps_in)
    assert str(ours.irreps_out) == str(theirs.irreps_out)
    x = ours.irreps_in.randn(7, 2, -1)
    # e3nn estimates the constants of its activations by Monte Carlo: they are off by up to 2e-3
    torch.testing.assert_close(ours(x), theirs(x), rtol=5e-3, atol=1e-6)


@pytest.mark.parametrize("arguments", CASES)
def test_equivariance(arguments):
    gate = nn.Gate(*arguments).double()
    assert_equivariant(gate, gate.irreps_in, gate.irreps_out)


def test_the_example_of_the_source_document():
    gate = nn.Gate(
        irreps_scalars="1x0e", act_scalars=[tanh], irreps_gates="1x0e", act_gates=[sigmoid], irreps_gated="1x1o"
    )
    assert str(gate) == "Gate (2x0e+1x1o -> 1x0e+1x1o)"
    assert str(gate.irreps_out) == "1x0e+1x1o"
    x = o3.Irreps("1x0e + 1x0e + 1x1o").randn(1, -1)
    y = gate(x)
    assert y.shape == (1, 4)
    # The document's "manual" check leaves out the constants that keep the second moment.
    torch.testing.assert_close(y[:, :1], 1.59253742 * tanh(x[:, :1]))
    torch.testing.assert_close(y[:, 1:], 1.84622855 * sigmoid(x[:, 1:2]) * x[:, 2:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("2x1o", [tanh], "", [], ""), r"only scalars \(l = 0\) in irreps_scalars, got '2x1o'"),
        (("2x0e", [tanh], "1x1o", [tanh], "1x1o"), r"only scalars \(l = 0\) in irreps_gates, got '1x1o'"),
        (("2x0e", [tanh], "1x0e", [tanh], "2x1o"), r"one gate per gated irrep, got 1 .* for 2"),
        (("2x0e", [tanh, tanh], "1x0e", [tanh], "1x1o"), r"one function \(or None\) per block .* got 2 for 1"),
        (("2x0o", [silu], "", [], ""), r"parity is violated"),
    ],
)
def test_irreps_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        nn.Gate(*arguments)


def test_features_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"expected features with last axis 5 \('2x0e\+1x1o'\), got shape \(3, 4\)"):
        nn.Gate("1x0e", [tanh], "1x0e", [sigmoid], "1x1o")(torch.randn(3, 4))


def test_a_gate_in_a_checkpoint_of_e3nn_loads():
    arguments = ("2x0e", [tanh], "1x0e", [sigmoid], "1x1o")
    ours, theirs = torch.nn.Sequential(nn.Gate(*arguments)), torch.nn.Sequential(e3nn_nn.Gate(*arguments))
    ours.load_state_dict(theirs.state_dict())
    assert str(ours[0].irreps_gates) == "1x0e"
