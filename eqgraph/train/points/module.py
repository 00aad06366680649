"""A classifier or segmenter under training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch_geometric.data import Data
from torchmetrics import MeanMetric

from ..config import OptimizerConfig, ScheduleConfig
from ..module import TrainingModule
from .scores import ClassScores, PartScores


class PointsModule(TrainingModule):
    """Minimizes the cross entropy with smoothed labels; scores are exact sums over an epoch.

    `train_scores` are those of the epoch (of the clouds as they are drawn and changed, by weights that change), `valid_scores` those of
    the last validation.

    Args:
        model: scores of classes from pos, batch, x and the number of clouds.
        label_smoothing: part of the probability that is spread over all classes.
        class_weights: (classes,) weights in the mean over clouds or points, or None.
        new_scores: makes scores without anything in them.
        optimizer: which optimizer, and its numbers.
        schedule: how the learning rate changes.
        max_steps: optimizer steps of a full training, for the cosine schedule.
        time_progress: gives the fraction of the allowed time that has passed (0 if there is no limit).
    """

    rate_unit = "clouds/s"

    def __init__(
        self,
        model: torch.nn.Module,
        label_smoothing: float,
        class_weights: Tensor | None,
        new_scores: Callable[[], ClassScores],
        optimizer: OptimizerConfig,
        schedule: ScheduleConfig,
        max_steps: int,
        time_progress: Callable[[], float] = lambda: 0.0,
    ) -> None:
        super().__init__(model, optimizer, schedule, max_steps, time_progress)
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.new_scores = new_scores
        self.train_scores, self.valid_scores = new_scores(), new_scores()
        self._mean_loss = MeanMetric().set_dtype(torch.float64)

    def loss_of(self, batch: Data) -> Tensor:
        logits = self._logits(batch)
        self.train_scores.take_in(logits.detach(), batch)
        return self._cross_entropy(logits, batch.y)

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self.train_scores = self.new_scores()

    def on_validation_epoch_start(self) -> None:
        self.valid_scores = self.new_scores()
        self._mean_loss.reset()

    def validation_step(self, batch: Data, batch_idx: int) -> None:
        logits = self._logits(batch)
        self.valid_scores.take_in(logits, batch)
        weight = float(len(batch.y)) if self.class_weights is None else self.class_weights[batch.y].sum()
        self._mean_loss.update(self._cross_entropy(logits, batch.y).double(), weight)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["train_scores"] = self.train_scores.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.train_scores.load_state_dict(checkpoint["train_scores"])

    def valid_loss(self) -> float:
        return self._mean_loss.compute().item() if self.valid_scores.count else math.nan

    def columns(self) -> dict[str, float]:
        valid = self.valid_scores
        columns = {
            "train_accuracy": self.train_scores.accuracy,
            "valid_accuracy": valid.accuracy,
            "valid_mean_class_accuracy": valid.mean_class_accuracy,
        }
        if isinstance(valid, PartScores):
            columns |= {"valid_mean_iou": valid.mean_iou, "valid_instance_iou": valid.instance_iou}
        return columns

    def progress(self) -> str:
        named = (("train", self.train_scores), ("valid", self.valid_scores))
        shown = [f"{100 * scores.accuracy:.1f} % {name}" for name, scores in named if scores.count]
        return f" · accuracy {', '.join(shown)}" if shown else ""

    def validation(self) -> list[dict[str, Any]]:
        rows = self.valid_scores.rows() if self.valid_scores.count else []
        return [{"quantity": quantity, "value": value} for quantity, value in rows]

    def size_of(self, batch: Data) -> int:
        return batch.num_graphs

    def _logits(self, batch: Data) -> Tensor:
        return self.model(batch.pos, batch.batch, batch.x, batch.num_graphs)

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, self.class_weights, label_smoothing=self.label_smoothing)
