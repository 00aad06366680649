"""How many clouds (or points) of which class are taken for which."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch_geometric.data import Data


class ClassScores:
    """A confusion matrix and a cross entropy, summed up over batches: the same scores however the clouds came in batches.

    Attributes:
        confusion: (classes, classes) int64, how many of the class of the row were taken for the class of the column.

    Args:
        num_classes: number of classes.

    Example:
        >>> scores = ClassScores(2)
        >>> scores.update(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]))
        >>> scores.confusion.tolist(), round(scores.accuracy, 3), scores.mean_class_accuracy
        ([[1, 1], [0, 1]], 0.667, 0.75)
    """

    def __init__(self, num_classes: int) -> None:
        self.confusion = np.zeros((num_classes, num_classes), dtype=np.int64)
        self._cross_entropy = 0.0

    def take_in(self, logits: Tensor, batch: Data) -> Tensor:
        """Take in the scores of the classes of a batch (logits, or logarithms of probabilities); returns the predicted classes."""
        self._cross_entropy += functional.cross_entropy(logits.double(), batch.y, reduction="sum").item()
        predicted = logits.argmax(1)
        self.update(batch.y, predicted)
        return predicted

    def update(self, labels: Tensor, predicted: Tensor) -> None:
        """Take in classes and predicted classes."""
        number = len(self.confusion)
        counts = (labels * number + predicted).bincount(minlength=number * number)
        self.confusion += counts.cpu().numpy().reshape(number, number)

    def state_dict(self) -> dict[str, Any]:
        """The sums, for a checkpoint."""
        return {"confusion": torch.from_numpy(self.confusion.copy()), "cross_entropy": self._cross_entropy}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the sums of a checkpoint."""
        self.confusion, self._cross_entropy = state["confusion"].numpy().copy(), state["cross_entropy"]

    @property
    def count(self) -> int:
        """How many were taken in."""
        return int(self.confusion.sum())

    @property
    def support(self) -> np.ndarray:
        """(classes,) how many there are of each class."""
        return self.confusion.sum(1)

    @property
    def cross_entropy(self) -> float:
        """Mean of -ln(probability of the class); NaN of nothing."""
        return self._cross_entropy / self.count if self.count else math.nan

    @property
    def accuracy(self) -> float:
        """Part that is right; NaN of nothing."""
        return float(self.confusion.trace() / self.count) if self.count else math.nan

    @property
    def class_accuracy(self) -> np.ndarray:
        """(classes,) part of each class that is right; NaN for a class that did not occur."""
        return _divided(self.confusion.diagonal(), self.support)

    @property
    def mean_class_accuracy(self) -> float:
        """Mean of these over the classes that occurred."""
        return _mean(self.class_accuracy)

    @property
    def class_iou(self) -> np.ndarray:
        """(classes,) intersection over union, TP / (TP + FP + FN); NaN for a class that neither occurred nor was predicted."""
        right = self.confusion.diagonal()
        return _divided(right, self.support + self.confusion.sum(0) - right)

    @property
    def mean_iou(self) -> float:
        """Mean of these."""
        return _mean(self.class_iou)

    def rows(self) -> list[tuple[str, float]]:
        """Named numbers of a table; percent but for the cross entropy."""
        return [
            ("accuracy (%)", 100 * self.accuracy),
            ("mean class accuracy (%)", 100 * self.mean_class_accuracy),
            ("cross entropy", self.cross_entropy),
        ]


class PartScores(ClassScores):
    """Scores of classes of points; clouds may be of categories that have some of the classes each.

    The mean intersection over union of a cloud runs over the classes of its category, where a class that is neither there nor predicted
    counts as 1. There are means of it over all clouds, and over the clouds of each category, then over categories.

    Args:
        parts: classes of each category.
        num_classes: number of classes.

    Reference: the protocol of ShapeNetPart, Yi et al. 2016, doi:10.1145/2980179.2980238.
    """

    def __init__(self, parts: list[list[int]], num_classes: int) -> None:
        super().__init__(num_classes)
        self.parts = parts
        self._ious: list[list[float]] = [[] for _ in parts]

    def take_in(self, logits: Tensor, batch: Data) -> Tensor:
        """As that of clouds; each point is taken for one of the classes of its category."""
        possible = torch.zeros(len(self.parts), len(self.confusion), dtype=torch.bool)
        for kind, parts in enumerate(self.parts):
            possible[kind, parts] = True
        outside = ~possible.to(logits.device)[batch.category][batch.batch]
        predicted = super().take_in(logits.masked_fill(outside, -math.inf), batch)
        self._take_in_clouds(batch.y, predicted, batch.batch, batch.category)
        return predicted

    def _take_in_clouds(self, labels: Tensor, predicted: Tensor, batch: Tensor, category: Tensor) -> None:
        number, clouds = len(self.confusion), len(category)

        def counts(points: Tensor, classes: Tensor) -> Tensor:
            return (batch[points] * number + classes[points]).bincount(minlength=clouds * number).view(clouds, number)

        every = torch.ones_like(labels, dtype=torch.bool)
        both = counts(labels == predicted, labels)
        union = counts(every, labels) + counts(every, predicted) - both
        iou = torch.where(union > 0, both / union, 1.0).double().cpu()
        for row, kind in zip(iou, category.tolist(), strict=True):
            self._ious[kind].append(float(row[self.parts[kind]].mean()))

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"ious": [list(values) for values in self._ious]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._ious = [list(values) for values in state["ious"]]

    @property
    def instance_iou(self) -> float:
        """Mean over clouds."""
        return _mean(np.array([value for values in self._ious for value in values]))

    @property
    def category_iou(self) -> float:
        """Mean over categories that occurred."""
        return _mean(np.array([np.mean(values) for values in self._ious if values]))

    def rows(self) -> list[tuple[str, float]]:
        rows = super().rows()
        several = [("mIoU of categories (%)", 100 * self.category_iou)] if len(self.parts) > 1 else []
        means = [
            ("mIoU of classes (%)", 100 * self.mean_iou),
            ("mIoU of clouds (%)", 100 * self.instance_iou),
            *several,
        ]
        return [*rows[:2], *means, *rows[2:]]


def _divided(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), math.nan), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else math.nan
