"""A potential under training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch_geometric.data import Data

from eqgraph.models import Potential, Prediction

from ..config import OptimizerConfig, ScheduleConfig
from ..module import TrainingModule
from .compiled_loss import CompiledLoss
from .config import LossConfig
from .loss import Loss
from .metrics import PotentialErrors


class PotentialModule(TrainingModule):
    """Trains a potential on energies, forces and stress; validates with exact sums over the whole validation set.

    `errors` holds the errors of the last validation.

    Args:
        potential: what is trained.
        loss: weights of its terms.
        optimizer: which optimizer, and its numbers.
        schedule: how the learning rate changes.
        max_steps: optimizer steps of a full training, for the cosine schedule.
        time_progress: gives the fraction of the allowed time that has passed (0 if there is no limit).
        compiled: whether to compile the training step.
    """

    def __init__(
        self,
        potential: Potential,
        loss: LossConfig,
        optimizer: OptimizerConfig,
        schedule: ScheduleConfig,
        max_steps: int,
        time_progress: Callable[[], float] = lambda: 0.0,
        compiled: bool = False,
    ) -> None:
        super().__init__(potential, optimizer, schedule, max_steps, time_progress)
        self.weights = loss
        self.loss = Loss(loss.energy, loss.forces, loss.stress)
        self._compiled_loss = CompiledLoss(potential, self.loss) if compiled else None
        self.errors = PotentialErrors()

    def loss_of(self, batch: Data) -> Tensor:
        return self._compiled_loss(batch) if self._compiled_loss else self.loss(self._predict(batch), batch)

    def on_validation_epoch_start(self) -> None:
        self.errors = PotentialErrors()

    def validation_step(self, batch: Data, batch_idx: int) -> None:
        self.errors.update(self._predict(batch), batch)

    def valid_loss(self) -> float:
        return self.errors.loss(self.weights)

    def columns(self) -> dict[str, float]:
        errors = self.errors
        return {
            "valid_energy_mae_meV_per_atom": 1000 * errors.energy_per_atom.mae,
            "valid_energy_rmse_meV_per_atom": 1000 * errors.energy_per_atom.rmse,
            "valid_forces_mae_meV_per_A": 1000 * errors.forces.mae,
            "valid_forces_rmse_meV_per_A": 1000 * errors.forces.rmse,
            "valid_stress_mae_meV_per_A3": 1000 * errors.stress.mae,
            "valid_stress_rmse_meV_per_A3": 1000 * errors.stress.rmse,
        }

    def progress(self) -> str:
        named = (
            ("E", self.errors.energy_per_atom, "meV/atom"),
            ("F", self.errors.forces, "meV/Å"),
            ("S", self.errors.stress, "meV/Å³"),
        )
        shown = [f"{name} {1000 * errors.rmse:.1f} {unit}" for name, errors, unit in named if errors.count]
        return " · valid RMSE " + ", ".join(shown) if shown else ""

    def validation(self) -> list[dict[str, Any]]:
        return [row._asdict() for row in self.errors.rows()]

    def _predict(self, batch: Data) -> Prediction:
        return self.model(batch, forces=self.loss.forces > 0, stress=self.loss.stress > 0)
