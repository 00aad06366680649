"""What Lightning needs to know to train anything: the step, the optimizer, the schedule."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch_geometric.data import Data

from .config import CosineSchedule, OptimizerConfig, PlateauSchedule, ScheduleConfig
from .processes import max_over_processes, num_processes, sum_over_processes


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


class TrainingModule(LightningModule, ABC):
    """Trains a model; what is minimized and how it is validated, subclasses say.

    Logs `valid_loss` where there is a validation. The mean of the training loss over an epoch is `train_loss`: Lightning's own means
    begin anew where a run goes on in the middle of an epoch, these sums are a part of the checkpoint.

    Args:
        model: what is trained.
        optimizer: which optimizer, and its numbers.
        schedule: how the learning rate changes.
        max_steps: optimizer steps of a full training, for the cosine schedule.
        time_progress: gives the fraction of the allowed time that has passed (0 if there is no limit).
    """

    stage = 0
    """Of the last validation; losses of different stages are not to be compared."""
    rate_unit = "it/s"
    """Of what the progress bar counts: see size_of."""

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: OptimizerConfig,
        schedule: ScheduleConfig,
        max_steps: int,
        time_progress: Callable[[], float] = lambda: 0.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.optimizer, self.schedule = optimizer, schedule
        self.max_steps, self._own_time_progress, self._time_progress = max_steps, time_progress, 0.0
        self._loss_sum, self._num_graphs = 0.0, 0  # of the epoch so far

    @abstractmethod
    def loss_of(self, batch: Data) -> Tensor:
        """What a step minimizes."""

    @abstractmethod
    def valid_loss(self) -> float:
        """The same over the last validation."""

    @abstractmethod
    def columns(self) -> dict[str, float]:
        """What `metrics.csv` says of an epoch besides the losses; NaN where there is nothing to say."""

    @abstractmethod
    def progress(self) -> str:
        """What the progress bar says besides the loss."""

    @abstractmethod
    def validation(self) -> list[dict[str, Any]]:
        """What the model file says of the last validation."""

    def size_of(self, batch: Data) -> int:
        """What a step adds to the count of the progress bar."""
        return 1

    def training_step(self, batch: Data, batch_idx: int) -> Tensor:
        loss = self.loss_of(batch)
        num_graphs = 0 if "is_padding" in batch else batch.num_graphs
        together, num_graphs = _of_all_processes(loss, num_graphs)
        if not math.isfinite(together):
            raise DivergedError(
                f"Expected a finite loss, came {together} in epoch {self.current_epoch + 1}, batch {batch_idx + 1}. "
                "Lower optimizer.learning_rate or set optimizer.clip_gradient, and look for wrong labels in data.train."
            )
        self._loss_sum += num_graphs * together
        self._num_graphs += num_graphs
        return loss

    def on_train_batch_start(self, batch: Data, batch_idx: int) -> None:
        if num_processes() > 1:  # their clocks differ, their learning rates must not
            elapsed = torch.tensor(self._own_time_progress(), dtype=torch.float64, device=self.device)
            self._time_progress = float(max_over_processes(elapsed))

    def time_progress(self) -> float:
        """The fraction of the allowed time that has passed, the same in all processes; 0 if there is no limit."""
        return self._own_time_progress() if num_processes() == 1 else self._time_progress

    def train_loss(self) -> float:
        """Mean over the structures of the epoch so far, each at the weights of its step."""
        return self._loss_sum / self._num_graphs

    def on_train_epoch_start(self) -> None:
        self._loss_sum, self._num_graphs = 0.0, 0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["train_loss"] = (self._loss_sum, self._num_graphs)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._loss_sum, self._num_graphs = checkpoint["train_loss"]

    def on_validation_epoch_end(self) -> None:
        self.log("valid_loss", self.valid_loss(), sync_dist=num_processes() > 1)  # the same in all
        if isinstance(self.schedule, PlateauSchedule):
            scheduler = self.lr_schedulers()
            if getattr(scheduler, "stage", 0) != self.stage:
                scheduler._reset()  # another loss: its best value begins again
                scheduler.stage = self.stage  # on the scheduler, so that it is in checkpoints
            scheduler.step(self.valid_loss())

    def configure_optimizers(self) -> dict:
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.optimizer.name]
        optimizer = kind(
            [parameter for parameter in self.model.parameters() if parameter.requires_grad],  # others are frozen
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


def _of_all_processes(loss: Tensor, num_graphs: int) -> tuple[float, int]:
    """The loss of a step, which is the mean of those of the processes, and its number of structures, which is the sum."""
    if num_processes() == 1:
        return loss.item(), num_graphs
    sums = sum_over_processes(torch.stack([loss.detach().double(), loss.new_tensor(num_graphs, dtype=torch.float64)]))
    return float(sums[0]) / num_processes(), int(sums[1])
