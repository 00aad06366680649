"""Runs that go on."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from eqgraph.models import load_potential
from eqgraph.train import TrainingInterrupted, fit, parse_config, resume
from eqgraph.train.checkpoint import read_checkpoint
from eqgraph.train.potential.module import PotentialModule


def quiet() -> Console:
    return Console(file=io.StringIO(), width=120)


def interrupt_in_epoch(monkeypatch, epoch: int):
    step = PotentialModule.training_step

    def interrupted(self, batch, batch_idx):
        if self.current_epoch == epoch:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(PotentialModule, "training_step", interrupted)
    return step


def test_nothing_is_forgotten(raw, tmp_path, monkeypatch):
    """mace#48, #172, #176, #509: running mean, random numbers, patience and best loss were not in the checkpoint."""
    raw["training"] |= {"early_stopping": 5, "ema_decay": 0.9, "output": str(tmp_path / "whole")}
    raw["schedule"] = {"name": "plateau", "patience": 1}
    whole = fit(parse_config(raw), quiet())
    raw["training"]["output"] = str(tmp_path / "parts")
    step = interrupt_in_epoch(monkeypatch, 2)
    with pytest.raises(TrainingInterrupted):
        fit(parse_config(raw), quiet())
    monkeypatch.setattr(PotentialModule, "training_step", step)
    parts = resume(tmp_path / "parts", console=quiet())
    assert Path(parts.model).read_bytes() != b""
    states = [read_checkpoint(tmp_path / name / "last.ckpt") for name in ("whole", "parts")]
    for key in ("state_dict", "optimizer_states", "lr_schedulers"):
        assert str(states[0][key]) == str(states[1][key])
    assert states[0]["callbacks"].keys() == states[1]["callbacks"].keys()
    assert any("EMA" in name for name in states[0]["callbacks"])
    headers = [load_potential(result.model)[1] for result in (whole, parts)]
    assert headers[0]["sha256"] == headers[1]["sha256"]


def test_a_run_that_gets_no_better_can_still_go_on(raw, monkeypatch):
    """mace#672: checkpoints were written only when the validation got better, so that hours were lost."""
    monkeypatch.setattr(PotentialModule, "valid_loss", lambda self: float(self.current_epoch))  # worse and worse
    result = fit(parse_config(raw), quiet())
    assert read_checkpoint(result.output / "last.ckpt")["run"]["epoch"] == 3
    assert load_potential(result.model)[1]["metadata"]["validation"]["epoch"] == 1


def test_another_config_is_not_taken_in_silence(raw):
    """mace#833, nequip's "do NOT modify the config between restarts": what differs is shown, key by key, and refused."""
    result = fit(parse_config(raw), quiet())
    with pytest.raises(
        ValueError, match=r"came changes:\n  loss.forces: .* -> .*\nSet them back, or add --allow-changes"
    ):
        resume(result.output, ["loss.forces=7", "training.max_epochs=4"], console=quiet())
    with pytest.raises(ValueError, match=r"model.num_features: 4 -> 8\nIts weights and its optimizer do not fit these"):
        resume(result.output, ["model.num_features=8"], allow_changes=True, console=quiet())


def test_weights_are_read_without_running_code(raw, tmp_path):
    """skala#109 and the likes: torch.load of a checkpoint from the net ran whatever was in it, then weights_only broke it."""

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    result = fit(parse_config(raw), quiet())
    for name in ("last.ckpt", "previous.ckpt"):
        torch.save({"state_dict": Evil()}, result.output / name)
    with pytest.raises(ValueError, match="Expected a checkpoint of `eqgraph train`"):
        resume(result.output, ["training.max_epochs=4"], console=quiet())
    assert not (tmp_path / "ran").exists()
