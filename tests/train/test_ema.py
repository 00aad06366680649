"""The running mean against its recursion."""

import pytest
import torch

from eqgraph.train.ema import RunningMean


def test_recursion_with_warm_up():
    linear = torch.nn.Linear(2, 1, bias=False)
    linear.weight.data.fill_(1.0)
    mean = RunningMean(linear, decay=0.5)
    expected = 1.0
    for step in range(20):
        linear.weight.data.fill_(float(step))
        mean.update(linear)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        assert mean.state["weight"][0, 0].item() == pytest.approx(expected, rel=1e-6)


def test_swap_is_its_own_inverse():
    linear = torch.nn.Linear(2, 2)
    mean = RunningMean(linear, decay=0.9)
    averaged = linear.weight.detach().clone()
    linear.weight.data += 1.0
    now = linear.weight.detach().clone()
    mean.swap(linear)
    assert torch.equal(linear.weight, averaged)
    mean.swap(linear)
    assert torch.equal(linear.weight, now)
    assert torch.equal(mean.state["weight"], averaged)


def test_constants_stay_exact():
    module = torch.nn.BatchNorm1d(2)
    module.register_buffer("shift", torch.tensor(-2041.839387, dtype=torch.float64))
    mean = RunningMean(module, decay=0.99)
    for _ in range(100):
        mean.update(module)
    assert mean.state["shift"] == module.shift
    assert "num_batches_tracked" not in mean.state


def test_decay_zero_follows_the_weights():
    linear = torch.nn.Linear(2, 2)
    mean = RunningMean(linear, decay=0.0)
    linear.weight.data.normal_()
    mean.update(linear)
    assert torch.equal(mean.state["weight"], linear.weight)
