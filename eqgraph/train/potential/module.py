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
from .loss import Loss
from .loss_config import LossConfig
from .loss_stages import stage_at
from .loss_sums import LossSums
from .metrics import PotentialErrors


class PotentialModule(TrainingModule):
    """Trains a potential on energies and what else the loss names; validates with exact sums over the whole validation set.

    `errors` holds the errors of the last validation. Which stage of the loss holds follows from the step, the time and the epoch alone.

    Args:
        potential: what is trained.
        loss: its terms and stages.
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
        self.loss, self.starts = Loss.of_config(loss), [stage.start for stage in loss.stages]
        self._compiled_loss = CompiledLoss(potential, self.loss) if compiled else None
        self.errors, self.sums = PotentialErrors(), LossSums(self.loss)

    def loss_of(self, batch: Data) -> Tensor:
        stage = self._stage_of_step(self.global_step)
        if self._compiled_loss:
            return self._compiled_loss(batch, stage)
        return self.loss(self._predict(batch), batch, stage)

    def on_validation_epoch_start(self) -> None:
        self.errors, self.sums = PotentialErrors(), LossSums(self.loss)
        self.stage = self._stage_of_step(max(self.global_step - 1, 0))  # that of the last step

    def validation_step(self, batch: Data, batch_idx: int) -> None:
        prediction = self._predict(batch)
        self.errors.update(prediction, batch)
        self.sums.update(prediction, batch)

    def on_validation_epoch_end(self) -> None:
        self.errors.join_processes()
        self.sums.join_processes()
        super().on_validation_epoch_end()

    def valid_loss(self) -> float:
        return self.sums.value(self.stage)

    def columns(self) -> dict[str, float]:
        errors = self.errors
        columns = {
            "valid_energy_mae_meV_per_atom": 1000 * errors.energy_per_atom.mae,
            "valid_energy_rmse_meV_per_atom": 1000 * errors.energy_per_atom.rmse,
            "valid_forces_mae_meV_per_A": 1000 * errors.forces.mae,
            "valid_forces_rmse_meV_per_A": 1000 * errors.forces.rmse,
            "valid_stress_mae_meV_per_A3": 1000 * errors.stress.mae,
            "valid_stress_rmse_meV_per_A3": 1000 * errors.stress.rmse,
        }
        others = {"virial": ("meV_per_atom", errors.virial_per_atom), "dipole": ("me_A", errors.dipole)}
        for name, (unit, sums) in others.items():
            if name in self.loss.terms:
                columns |= {f"valid_{name}_mae_{unit}": 1000 * sums.mae, f"valid_{name}_rmse_{unit}": 1000 * sums.rmse}
        return columns | ({"loss_stage": self.stage} if self.starts else {})

    def progress(self) -> str:
        named = (
            ("E", self.errors.energy_per_atom, "meV/atom"),
            ("F", self.errors.forces, "meV/Å"),
            ("S", self.errors.stress, "meV/Å³"),
            ("μ", self.errors.dipole, "me·Å"),
        )
        shown = [f"{name} {1000 * errors.rmse:.1f} {unit}" for name, errors, unit in named if errors.count]
        return " · valid RMSE " + ", ".join(shown) if shown else ""

    def validation(self) -> list[dict[str, Any]]:
        return [row._asdict() for row in self.errors.rows()]

    def _predict(self, batch: Data) -> Prediction:
        return self.model(batch, *self.loss.derivatives)

    def _stage_of_step(self, step: int) -> int:
        if not self.starts:
            return 0
        # what processes minimize together must be the same: time_progress is
        return stage_at(self.starts, max(step / self.max_steps, self.time_progress()), self.current_epoch + 1)
