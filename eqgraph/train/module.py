"""What Lightning needs to know to train a potential: the steps, the optimizer, the schedule."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch_geometric.data import Data

from eqgraph.models import Potential, Prediction

from .compiled_loss import CompiledLoss
from .config import CosineSchedule, LossConfig, OptimizerConfig, PlateauSchedule, ScheduleConfig
from .loss import Loss
from .metrics import PotentialErrors


class DivergedError(FloatingPointError):
    """The loss is not a number any more."""


def cosine_factor(step: int, progress: float, schedule: CosineSchedule) -> float:
    """What the first learning rate is multiplied by: a linear warm-up times half a cosine.

    f = (f_end + (1 - f_end) (1 + cos(π p)) / 2) · min(1, (step + 1) / warmup_steps)

    Args:
        step: optimizer steps done.
        progress: p, the fraction of the training that is over.
        schedule: f_end and the number of warm-up steps.

    Example:
        >>> [round(cosine_factor(0, p, CosineSchedule(final_fraction=0.0)), 3) for p in (0.0, 0.5, 1.0)]
        [1.0, 0.5, 0.0]

    Reference: Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5 (one period).
    """
    end = schedule.final_fraction
    cosine = end + (1 - end) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    return cosine * min(1.0, (step + 1) / max(schedule.warmup_steps, 1))


class PotentialModule(LightningModule):
    """Trains a potential on energies, forces and stress; validates with exact sums over the whole validation set.

    Logs `train_loss` and `valid_loss`; `errors` holds the errors of the last validation.

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
        super().__init__()
        self.potential = potential
        self.weights = loss
        self.loss = Loss(loss.energy, loss.forces, loss.stress)
        self._training_loss = CompiledLoss(potential, self.loss) if compiled else self._loss_of
        self.optimizer, self.schedule = optimizer, schedule
        self.max_steps, self.time_progress = max_steps, time_progress
        self.errors = PotentialErrors()

    def training_step(self, batch: Data, batch_idx: int) -> Tensor:
        loss = self._training_loss(batch)
        if not loss.isfinite():
            raise DivergedError(
                f"Expected a finite loss, came {loss.item()} in epoch {self.current_epoch + 1}, batch {batch_idx + 1}. "
                "Lower optimizer.learning_rate or set optimizer.clip_gradient, and look for wrong labels in data.train."
            )
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=batch.num_graphs)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.errors = PotentialErrors()

    def validation_step(self, batch: Data, batch_idx: int) -> None:
        self.errors.update(self._predict(batch), batch)

    def on_validation_epoch_end(self) -> None:
        self.log("valid_loss", self.errors.loss(self.weights))
        if isinstance(self.schedule, PlateauSchedule):
            self.lr_schedulers().step(self.errors.loss(self.weights))

    def configure_optimizers(self) -> dict:
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.optimizer.name]
        optimizer = kind(
            self.potential.parameters(),
            lr=self.optimizer.learning_rate,
            weight_decay=self.optimizer.weight_decay,
            amsgrad=self.optimizer.amsgrad,
            fused=True,  # one call for all weights instead of one per weight and operation
        )
        if isinstance(self.schedule, PlateauSchedule):
            scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer,
                factor=self.schedule.factor,
                patience=self.schedule.patience,
                min_lr=self.schedule.min_learning_rate,
            )
            # Lightning would step it after the epoch's checkpoint, and a resumed run would miss that step: never let it
            never = {"monitor": "valid_loss", "frequency": 2**31}
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, **never}}
        if isinstance(self.schedule, CosineSchedule):
            # a lambda, because LambdaLR puts all else that it calls into the checkpoint
            scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self._cosine(step))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
        return {"optimizer": optimizer}

    def _cosine(self, step: int) -> float:
        return cosine_factor(step, max(step / self.max_steps, self.time_progress()), self.schedule)

    def _loss_of(self, batch: Data) -> Tensor:
        return self.loss(self._predict(batch), batch)

    def _predict(self, batch: Data) -> Prediction:
        return self.potential(batch, forces=self.loss.forces > 0, stress=self.loss.stress > 0)
