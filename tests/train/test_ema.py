"""The running mean against its recursion."""

import io

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from rich.console import Console

from eqgraph.models import load_potential
from eqgraph.train import fit, parse_config
from eqgraph.train.checkpoint import read_checkpoint
from eqgraph.train.ema import EMA, RunningMean


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


def test_validation_sees_the_mean_and_training_the_weights():
    module, ema = LightningModule(), EMA(0.9)
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    module.model = torch.nn.Linear(2, 1)
    ema.on_fit_start(trainer, module)
    weight = module.model.weight
    mean, now = weight.detach().clone(), weight.detach() + 1.0
    weight.data.copy_(now)
    ema.on_validation_start(trainer, module)
    assert torch.equal(weight, mean)
    ema.on_validation_end(trainer, module)
    assert torch.equal(weight, now)


def test_the_saved_model_is_the_mean(raw):
    raw["training"].update(max_epochs=1, ema_decay=0.9)
    result = fit(parse_config(raw), Console(file=io.StringIO()))
    checkpoint = read_checkpoint(result.output / "last.ckpt")
    mean = checkpoint["callbacks"]["EMA"]["state"]
    potential, _ = load_potential(result.model)
    for name, tensor in potential.state_dict().items():
        if name in mean:
            assert torch.equal(tensor, mean[name]), name
    trained = checkpoint["state_dict"]
    assert any(not torch.equal(tensor, trained[f"model.{name}"]) for name, tensor in mean.items())
