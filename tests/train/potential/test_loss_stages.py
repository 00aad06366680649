"""Other weights later on: they follow from step, time and epoch alone, and losses of different stages are never compared."""

import importlib
import io
import math
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from ase import Atoms
from lightning.pytorch import LightningModule, Trainer
from rich.console import Console
from torch_geometric.data import Batch

from eqgraph.datasets import AtomsDataset, Frame
from eqgraph.models import build_potential, load_potential
from eqgraph.train import Loss, TrainingInterrupted, fit, parse_config, resume
from eqgraph.train.config import CosineSchedule, OptimizerConfig, PlateauSchedule
from eqgraph.train.early_stop import EarlyStop
from eqgraph.train.potential.loss_config import LossConfig
from eqgraph.train.potential.loss_stages import stage_at
from eqgraph.train.potential.module import PotentialModule
from eqgraph.train.save_model import SaveBest


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch):
    module = importlib.import_module("eqgraph.train.potential.task")
    monkeypatch.setattr(module, "plot_parity", lambda *arguments: None)
    monkeypatch.setattr(module, "plot_learning_curve", lambda *arguments: None)


def run(raw: dict, output: str, **training):
    raw["training"] |= {"output": output, **training}
    return fit(parse_config(raw), Console(file=io.StringIO(), width=120))


def test_fractions_and_epochs():
    assert [stage_at([], 0.9, 9), stage_at([0.5], 0.4999, 9), stage_at([0.5], 0.5, 1)] == [0, 0, 1]
    assert [stage_at([10, 0.9], 0.1, epoch) for epoch in (9, 10)] == [0, 1]
    assert stage_at([10, 0.9], 0.95, 3) == 2


def module_of(loss: LossConfig, time: float = 0.0, schedule=None) -> PotentialModule:
    potential = build_potential("nequip", {"num_layers": 1, "num_features": 2}, [1], 3.0, [0.0], [1.0], 1.0)
    return PotentialModule(potential, loss, OptimizerConfig(), schedule or CosineSchedule(), 100, lambda: time)


@pytest.mark.parametrize(("step", "time", "expected"), [(49, 0.0, 0), (50, 0.0, 1), (10, 0.6, 1), (10, 0.4, 0)])
def test_steps_or_time_whichever_is_further(monkeypatch, step, time, expected):
    module = module_of(LossConfig(stages=[{"start": 0.5, "energy": 10.0}]), time)
    monkeypatch.setattr(PotentialModule, "global_step", step)
    frame = Frame(Atoms("H2", [[0, 0, 0], [0, 0, 0.8]]), energy=-1.0, forces=np.ones((2, 3)))
    batch = Batch.from_data_list([AtomsDataset([frame], 3.0)[0]])
    weight = [1.0, 10.0][expected]
    torch.testing.assert_close(module.loss_of(batch), Loss(weight, 1.0)(module.model(batch), batch))


def test_a_training_with_stages(raw, folder):
    """15 structures in batches of 5: stage 1 begins within epoch 2, stage 2 with epoch 4."""
    raw["loss"] = {"energy": 1, "forces": 10, "stages": [{"start": 0.3, "energy": 100}, {"start": 4, "forces": 1000}]}
    result = run(raw, str(folder / "staged"), max_epochs=5, ema_decay=0.0)
    assert [row["loss_stage"] for row in result.history] == [0, 1, 1, 2, 2]
    for row, (energy, forces) in zip(
        result.history, [(1, 10), (100, 10), (100, 10), (100, 1000), (100, 1000)], strict=True
    ):
        errors = row["valid_energy_rmse_meV_per_atom"], row["valid_forces_rmse_meV_per_A"]
        expected = energy * (errors[0] / 1000) ** 2 + forces * (errors[1] / 1000) ** 2
        assert row["valid_loss"] == pytest.approx(expected, rel=1e-9)
    best = min(result.history[3:], key=lambda row: row["valid_loss"])
    assert load_potential(result.model)[1]["metadata"]["validation"]["epoch"] == best["epoch"]


def test_interrupted_and_resumed_in_another_stage_is_uninterrupted(raw, folder, monkeypatch):
    raw["loss"] = {"stages": {"start": 0.5, "energy": 100, "forces": 0.1}}
    raw["schedule"] = {"name": "plateau", "patience": 1, "factor": 0.5}
    whole = run(raw, str(folder / "whole"), max_epochs=4, early_stopping=50)
    training_step = PotentialModule.training_step

    def interrupt(self, batch, batch_idx):
        if self.current_epoch == 2 and batch_idx == 1:
            raise KeyboardInterrupt
        return training_step(self, batch, batch_idx)

    monkeypatch.setattr(PotentialModule, "training_step", interrupt)
    with pytest.raises(TrainingInterrupted):
        run(raw, str(folder / "parts"))
    monkeypatch.setattr(PotentialModule, "training_step", training_step)
    resumed = resume(folder / "parts", console=Console(file=io.StringIO(), width=120))
    for ours, theirs in zip(resumed.history, whole.history, strict=True):
        for name in ("step", "train_loss", "valid_loss", "loss_stage", "learning_rate"):
            assert ours[name] == theirs[name]
    states = [load_potential(result.model)[0].state_dict() for result in (resumed, whole)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])


class Validated(LightningModule):
    """As much of a module as callbacks look at."""

    def __init__(self, stage: int, loss: float = 0.0) -> None:
        super().__init__()
        self.model, self.stage, self.loss = torch.nn.Identity(), stage, loss

    def valid_loss(self) -> float:
        return self.loss

    def validation(self) -> list:
        return []


def test_the_best_value_begins_anew_with_a_stage(tmp_path):
    saved = []
    best = SaveBest(
        tmp_path / "model.eqg", lambda path, model, metadata: saved.append(metadata["validation"]["epoch"]), {}
    )
    for epoch, (loss, stage) in enumerate([(1.0, 0), (2.0, 0), (50.0, 1), (60.0, 1), (40.0, 1)]):
        best.on_validation_end(Mock(spec=Trainer, current_epoch=epoch), Validated(loss=loss, stage=stage))
    assert saved == [1, 3, 5]
    restored = SaveBest(tmp_path / "model.eqg", lambda *arguments: saved.append("again"), {})
    restored.load_state_dict(best.state_dict())
    restored.on_validation_end(Mock(spec=Trainer, current_epoch=6), Validated(loss=45.0, stage=1))
    assert saved[-1] == 5


def test_early_stopping_begins_anew_with_a_stage():
    callback = EarlyStop(patience=2)
    trainer = Mock(spec=Trainer, should_stop=False, fast_dev_run=False, callback_metrics={})
    trainer.state = Mock()  # of no fit: the check is called below
    trainer.strategy = Mock(reduce_boolean_decision=lambda stop, all: stop)
    losses = [(1.0, 0), (2.0, 0), (50.0, 1), (60.0, 1), (70.0, 1)]
    stopped = []
    for loss, stage in losses:
        trainer.callback_metrics["valid_loss"] = torch.tensor(loss)
        callback.on_validation_end(trainer, Validated(stage=stage))
        callback._run_early_stopping_check(trainer)
        stopped.append(trainer.should_stop)
    assert stopped == [False, False, False, False, True]
    other = EarlyStop(patience=2)
    other.load_state_dict(callback.state_dict())
    assert other.stage == 1


def test_the_plateau_schedule_begins_anew_with_a_stage(monkeypatch):
    module = module_of(LossConfig(), schedule=PlateauSchedule(patience=1))
    scheduler = module.configure_optimizers()["lr_scheduler"]["scheduler"]
    monkeypatch.setattr(module, "lr_schedulers", lambda: scheduler)
    monkeypatch.setattr(module, "log", lambda *arguments, **options: None)
    best = []
    for loss, stage in [(1.0, 0), (2.0, 0), (50.0, 1), (60.0, 1)]:
        monkeypatch.setattr(module, "valid_loss", lambda loss=loss: loss)
        module.stage = stage
        module.on_validation_epoch_end()
        best.append((scheduler.best, scheduler.num_bad_epochs))
    assert best == [(1.0, 0), (1.0, 1), (50.0, 0), (50.0, 1)]
    assert scheduler.state_dict()["stage"] == 1
    assert math.isclose(scheduler.get_last_lr()[0], 0.01)
