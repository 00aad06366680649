"""Predicted classes of clouds, or of their points."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from eqgraph.datasets import PointClouds, with_progress
from eqgraph.replacing import replacing

from .batches import CloudLoader
from .scores import ClassScores


@dataclass(frozen=True)
class PointsEvaluation:
    """Classes and predicted classes of N clouds, or of all their points."""

    scores: ClassScores
    classes: list[str]
    names: list[str]  # of the clouds
    num_points: np.ndarray | None  # of each cloud, if points have classes
    labels: np.ndarray  # (N,)
    predicted: np.ndarray  # (N,)
    probability: np.ndarray  # (N,) of the predicted class


@torch.no_grad()
def evaluate_points(
    model: torch.nn.Module,
    draws: Iterable[PointClouds],
    scores: ClassScores,
    batch_size: int = 64,
    progress: bool = False,
) -> PointsEvaluation:
    """Predict all clouds of a set, on the device that the model is on.

    Args:
        model: a classifier or segmenter.
        draws: the clouds, once for every vote, whose probabilities are averaged.
        scores: without anything in them, to fill.
        batch_size: clouds per step; changes speed and memory only.
        progress: whether to show a progress bar if it takes longer than a second.
    """
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    votes: list[torch.Tensor] = []
    try:
        for clouds in draws:
            loader = CloudLoader(clouds, batch_size)
            batches = (batch.to(device) for batch in (with_progress(loader, "Evaluating") if progress else loader))
            logits = [model(batch.pos, batch.batch, batch.x, batch.num_graphs).double() for batch in batches]
            votes.append(torch.cat(logits).softmax(1))
    finally:
        model.train(training)
    logarithm = torch.stack(votes).mean(0).clamp(min=torch.finfo(torch.float64).tiny).log().cpu()
    predicted, start = [], 0
    for batch in CloudLoader(clouds, batch_size):
        predicted.append(scores.take_in(logarithm[start : start + len(batch.y)], batch))
        start += len(batch.y)
    chosen = torch.cat(predicted)
    labels = clouds.labels if clouds.y is None else clouds.y
    return PointsEvaluation(
        scores,
        clouds.classes,
        clouds.names,
        None if clouds.y is None else clouds.num_points.numpy(),
        labels.numpy(),
        chosen.numpy(),
        logarithm.gather(1, chosen[:, None]).squeeze(1).exp().numpy(),
    )


def write_class_predictions(path: str | Path, evaluation: PointsEvaluation) -> None:
    """A table of name (and point), class, predicted and probability as CSV. The file appears complete or not at all."""
    names: list[tuple] = [(name,) for name in evaluation.names]
    header = ("name", "class", "predicted", "probability")
    if evaluation.num_points is not None:
        header = ("name", "point", *header[1:])
        names = [(*name, i) for name, size in zip(names, evaluation.num_points, strict=True) for i in range(size)]
    classes = evaluation.classes
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(header)
        columns = (evaluation.labels.tolist(), evaluation.predicted.tolist(), evaluation.probability.tolist())
        for name, label, predicted, probability in zip(names, *columns, strict=True):
            writer.writerow((*name, classes[label], classes[predicted], f"{probability:.4f}"))
