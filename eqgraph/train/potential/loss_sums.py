"""The loss over many batches."""

from __future__ import annotations

import torch
from torch_geometric.data import Data

from eqgraph.models import Prediction

from ..processes import sum_over_processes
from .loss import Loss


class LossSums:
    """The same function as `Loss`, of all batches together: however the structures came in batches.

    Args:
        loss: what to evaluate.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self._sums = torch.zeros(2, len(loss.terms), dtype=torch.float64)

    def update(self, prediction: Prediction, batch: Data) -> None:
        """Take in a batch."""
        targets = self.loss.targets(batch)
        num_atoms = batch.batch.bincount(minlength=batch.num_graphs)
        sums = torch.stack([self.loss.sums(prediction, targets, num_atoms).detach(), self.loss.counts(targets)])
        self._sums = self._sums.to(sums.device) + sums

    def join_processes(self) -> None:
        """Take in what the other processes have; once, and in all of them."""
        self._sums = sum_over_processes(self._sums)

    def value(self, stage: int = 0) -> float:
        """The loss; zero without labels."""
        sums, counts = self._sums.cpu()
        return float((self.loss.weights(stage) * sums / counts.where(counts > 0, 1.0)).sum())
