"""The covariance of the last layer's features over training structures, and its scale from validation errors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch_geometric.loader import DataLoader

from eqgraph.datasets import GraphDataset, with_progress
from eqgraph.models import Potential

from .calibration import likelihood_factor, log_likelihood
from .energy_features import energy_features, sums_of_graphs
from .last_layer import LastLayerUncertainty

_REGULARIZATIONS = np.logspace(-6, 0, 25)
"""Of the median eigenvalue of the covariance; the best in validation is taken. Above it, the uncertainty would tell structures apart by
hardly more than the mean of their features."""
_ROUNDING = 1e-12
"""Of the largest eigenvalue: what float32 features leave of zero."""


def structure_features(
    potential: Potential, dataset: GraphDataset, batch_size: int = 32, progress: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Features of structures, sums over atoms.

    Args:
        potential: whose last layer's features.
        dataset: structures.
        batch_size: structures per step; changes speed and memory only.
        progress: what a bar is called that is shown once it takes longer than a second; None for none.

    Returns:
        (structures, num_features) [eV] and the numbers of atoms (structures,).
    """
    features, num_atoms = [], []
    loader: Iterable = DataLoader(dataset, batch_size)
    for batch in with_progress(loader, progress) if progress else loader:
        batch = batch.to(potential.shifts.device)
        sums, counts = sums_of_graphs(*energy_features(potential, batch), batch.num_graphs)
        features.append(sums.cpu().numpy())
        num_atoms.append(counts.cpu().numpy())
    return np.concatenate(features), np.concatenate(num_atoms)


def mean_features(potential: Potential, dataset: GraphDataset, batch_size: int = 32) -> np.ndarray:
    """(structures, num_features) means over atoms [eV], with a progress bar; see structure_features."""
    features, num_atoms = structure_features(potential, dataset, batch_size, "Features")
    return features / num_atoms[:, None]


def fit_last_layer(
    potential: Potential,
    train: GraphDataset,
    valid: GraphDataset,
    valid_errors: np.ndarray,
    batch_size: int = 32,
) -> LastLayerUncertainty | None:
    """Fit the uncertainty of a trained potential; one pass over the structures without gradients.

    Args:
        potential: in evaluation mode.
        train: structures that it was trained on, or a sample of them.
        valid: structures that it was not trained on.
        valid_errors: (structures,) predicted less true energies [eV] of valid; NaN where there is no label.
        batch_size: structures per step.

    Returns:
        The uncertainty; None if the validation structures have no energies, or if all errors are zero: there is no scale then.
    """
    valid_features, _ = structure_features(potential, valid, batch_size)
    return fit_to_features(mean_features(potential, train, batch_size), valid_features, valid_errors)


def fit_to_features(
    features_per_atom: np.ndarray, valid_features: np.ndarray, valid_errors: np.ndarray
) -> LastLayerUncertainty | None:
    """The same for features that are known.

    Args:
        features_per_atom: (structures, num_features) of the training structures, each a mean over its atoms [eV].
        valid_features: of the validation structures, each a sum over its atoms [eV].
        valid_errors: of their energies [eV], NaN where there is no label.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> fitted = fit_to_features(rng.normal(size=(100, 3)), rng.normal(size=(50, 3)), 0.01 * rng.normal(size=50))
        >>> fitted.num_features
        3
    """
    labelled = np.isfinite(valid_errors) & valid_features.any(1)
    errors = valid_errors[labelled]
    if not errors.any():
        return None
    covariance = torch.from_numpy(features_per_atom.T @ features_per_atom)
    eigenvalues = torch.linalg.eigvalsh(covariance).numpy()
    noise = max(_ROUNDING * eigenvalues.max(), np.finfo(float).tiny)
    median = np.median(eigenvalues[eigenvalues > noise]) if eigenvalues.max() > noise else noise
    best, highest = None, -np.inf
    for regularization in np.maximum(median * _REGULARIZATIONS, noise):
        alone = LastLayerUncertainty(covariance, regularization, 1.0)
        variances = alone.variance(torch.from_numpy(valid_features[labelled])).numpy()
        if not (variances > 0).all():
            continue
        factor = likelihood_factor(errors, variances)
        # of the largest that do equally well: the smallest ones make the inverse a matter of rounding
        if (found := log_likelihood(errors, factor**2 * variances)) >= highest - 1e-6:
            best, highest = LastLayerUncertainty(covariance, regularization, factor), max(found, highest)
    return best
