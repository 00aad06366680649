import warnings

import pytest
import torch

from eqgraph import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import nn as e3nn_nn

silu = torch.nn.functional.silu


@pytest.mark.parametrize(
    ("act", "out_act"), [(silu, True), (silu, False), (torch.tanh, True), (torch.tanh, False), (None, False)]
)
def test_same_numbers_as_e3nn_with_its_weights(act, out_act):
    ours = nn.FullyConnectedNet([3, 16, 16, 4], act, variance_in=0.5, variance_out=2.0, out_act=out_act)
    theirs = e3nn_nn.FullyConnectedNet([3, 16, 16, 4], act, variance_in=0.5, variance_out=2.0, out_act=out_act)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(10, 3)
    torch.testing.assert_close(ours(x), theirs(x), rtol=2e-2, atol=2e-3)  # e3nn's activation constants are Monte Carlo
    assert repr(ours) == repr(theirs)


def test_variance_is_kept():
    net = nn.FullyConnectedNet([64, 256, 256, 64], silu, variance_in=4.0, variance_out=9.0)
    assert 6 < net(2 * torch.randn(500, 64)).var() < 13


@pytest.mark.parametrize("hs", [[], [3], [3, -1]])
def test_sizes_must_make_sense(hs):
    with pytest.raises(ValueError, match="expected at least two sizes"):
        nn.FullyConnectedNet(hs)
