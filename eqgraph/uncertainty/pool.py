"""Structures without labels, as a selection sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch_geometric.loader import DataLoader

from eqgraph.datasets import GraphDataset, with_progress

from .committee import Committee
from .energy_features import energy_features, sums_of_graphs
from .uncertain_potential import UncertainPotential


@dataclass(frozen=True, eq=False)
class Pool:
    """S structures by rows.

    Attributes:
        features: (S, num_features) mean of the features of the atoms; the same for structures that are the same.
        deviation: (S,) standard deviation by which structures are chosen: of the energy per atom [eV] or of the forces [eV/Å].
        quantity: which of the two: "energy per atom" or "forces".
        vectors: (S, rank) whose scalar products are the covariances of the energies per atom [eV²]; None for committees.
        noise: variance [eV²] of an energy per atom that remains when it has been labelled.
    """

    features: np.ndarray
    deviation: np.ndarray
    quantity: str
    vectors: np.ndarray | None
    noise: float

    @property
    def unit(self) -> str:
        """Of a thousandth of a deviation."""
        return "meV/Å" if self.quantity == "forces" else "meV/atom"

    def column(self, index: int) -> np.ndarray:
        """(S,) covariances of a structure with all others, before anything is chosen."""
        if self.vectors is not None:
            return self.vectors @ self.vectors[index]
        # a committee says how uncertain a structure is, and not with which others; these are the ones alike
        square = np.square(self._whitened - self._whitened[index]).sum(1)
        return self.deviation * self.deviation[index] * np.exp(-0.5 * square / self._length**2)

    def __post_init__(self) -> None:
        centered = self.features - self.features.mean(0)
        spread = np.sqrt(np.square(centered).mean(0))
        whitened = centered / np.where(spread > 1e-9 * np.abs(self.features).max(), spread, np.inf)
        rows = np.random.default_rng(0).integers(len(whitened), size=(2, 2000))
        distances = np.linalg.norm(whitened[rows[0]] - whitened[rows[1]], axis=1)
        length = 0.5 * float(np.median(distances[distances > 0])) if (distances > 0).any() else 1.0
        object.__setattr__(self, "_whitened", whitened)
        object.__setattr__(self, "_length", length)


def describe_pool(model: UncertainPotential, dataset: GraphDataset, batch_size: int = 32) -> Pool:
    """Predict what a selection needs; shows a progress bar if it takes longer than a second.

    Args:
        model: with an uncertainty.
        dataset: structures to choose from; labels are not looked at.
        batch_size: structures per step.

    Raises:
        ValueError: if the model has no uncertainty.
    """
    if not model.has_uncertainty:
        raise ValueError(
            "Expected a model that says how uncertain it is, came a model file without uncertainty (written by an older version, "
            "or without energies in validation). Train it again, or give several models: --committee."
        )
    potential = model.potential
    features, deviations, vectors = [], [], []
    for batch in with_progress(DataLoader(dataset, batch_size), "Predicting"):
        batch = batch.to(potential.shifts.device)
        sums, num_atoms = sums_of_graphs(*energy_features(potential, batch), batch.num_graphs)
        means = sums / num_atoms.unsqueeze(1)
        features.append(means.cpu())
        if isinstance(model, Committee):
            _, found = model.predict(batch)
            square = found.forces.square().mean(1)
            total = torch.zeros_like(num_atoms).index_add_(0, batch.batch, square)
            deviations.append((total / num_atoms).sqrt().cpu())
        else:
            vectors.append(model.last_layer.whiten(means).cpu())
            deviations.append(vectors[-1].square().sum(1).sqrt())
    of_committee = isinstance(model, Committee)
    deviation = torch.cat(deviations).numpy()
    return Pool(
        torch.cat(features).numpy(),
        deviation,
        "forces" if of_committee else "energy per atom",
        None if of_committee else torch.cat(vectors).numpy(),
        # of a committee: so small that a structure is known once it is labelled
        1e-4 * float(np.square(deviation).mean()) if of_committee else model.last_layer.factor**2,
    )
