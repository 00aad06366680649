"""Every number of the optimizer and the schedule arrives where it belongs."""

import pytest
import torch

from eqgraph.models import build_potential
from eqgraph.train.config import CosineSchedule, OptimizerConfig, PlateauSchedule
from eqgraph.train.potential.config import LossConfig
from eqgraph.train.potential.module import PotentialModule


def module(optimizer: dict, schedule=None) -> PotentialModule:
    potential = build_potential("nequip", {"num_layers": 1, "num_features": 2}, [1], 4.0, [0.0], [1.0], 1.0)
    return PotentialModule(
        potential, LossConfig(), OptimizerConfig(**optimizer), schedule or CosineSchedule(), max_steps=10
    )


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_optimizer(name, kind):
    numbers = {"learning_rate": 0.02, "weight_decay": 1e-3, "amsgrad": False}
    optimizer = module({"name": name, **numbers}).configure_optimizers()["optimizer"]
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert group["initial_lr"] == 0.02
    assert (group["weight_decay"], group["amsgrad"]) == (1e-3, False)
    assert module({"amsgrad": True}).configure_optimizers()["optimizer"].param_groups[0]["amsgrad"]


def test_plateau():
    schedule = PlateauSchedule(factor=0.3, patience=7, min_learning_rate=1e-5)
    plateau = module({}, schedule).configure_optimizers()["lr_scheduler"]["scheduler"]
    assert (plateau.factor, plateau.patience, plateau.min_lrs) == (0.3, 7, [1e-5])
