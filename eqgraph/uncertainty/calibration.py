"""How well predicted standard deviations tell the sizes of errors."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr


def likelihood_factor(errors: np.ndarray, variances: np.ndarray) -> float:
    """The factor of all standard deviations that makes the errors most likely: α² = mean(error² / variance).

    Args:
        errors: predictions less labels.
        variances: predicted, in the same unit squared; positive.

    Raises:
        ValueError: if there are no errors, or a variance is not positive.

    Example:
        >>> likelihood_factor(np.array([2.0, -2.0]), np.array([1.0, 1.0]))
        2.0

    Reference: Bigi et al. 2024, arXiv:2403.02251.
    """
    _require(errors, variances, "likelihood_factor")
    return float(np.sqrt(np.mean(np.square(errors) / variances)))


def moment_factor(errors: np.ndarray, variances: np.ndarray) -> float:
    """The factor of all standard deviations that makes mean variance and mean squared error equal: α² = mean(error²) / mean(variance).

    For committees: the variance of a few members may be small by chance; of three members, the mean of error² / variance is infinite.

    Args:
        errors: predictions less labels.
        variances: predicted, in the same unit squared; positive.

    Raises:
        ValueError: if there are no errors, or a variance is not positive.

    Example:
        >>> moment_factor(np.array([3.0, -3.0]), np.array([0.5, 1.5]))
        3.0
    """
    _require(errors, variances, "moment_factor")
    return float(np.sqrt(np.mean(np.square(errors)) / np.mean(variances)))


def log_likelihood(errors: np.ndarray, variances: np.ndarray) -> float:
    """Mean logarithm of the normal densities of errors; higher is better.

    Example:
        >>> round(log_likelihood(np.array([0.0]), np.array([1.0])), 4)
        -0.9189
    """
    _require(errors, variances, "log_likelihood")
    return float(-0.5 * np.mean(np.log(2 * math.pi * variances) + np.square(errors) / variances))


class Calibration(NamedTuple):
    """Predicted standard deviations against errors, over the labels that there are."""

    quantity: str
    """What they are of."""
    unit: str
    count: int
    """Labels compared."""
    rmse: float
    """Root mean squared error."""
    predicted: float
    """Root mean squared predicted standard deviation; the same as rmse if it is right on average."""
    log_likelihood: float
    """Per label, of errors in `unit`."""
    rank_correlation: float
    """Spearman's, of standard deviation and size of the error: 0 if they say nothing of each other; NaN if one is constant. Far from 1
    even for perfect standard deviations, because errors are random."""
    within: float
    """Part of the errors within one predicted standard deviation; 0.68 for normal errors."""


def calibration(quantity: str, unit: str, errors: np.ndarray, deviations: np.ndarray) -> Calibration | None:
    """Compare errors and predicted standard deviations, both in `unit`.

    Left out are NaN errors, which have no label, and what is known exactly: the energy of an isolated atom may have no uncertainty.

    Returns:
        None if nothing is left.

    Example:
        >>> found = calibration("energy", "meV", np.array([1.0, -2.0, np.nan]), np.array([1.0, 2.0, 3.0]))
        >>> found.count, round(found.rmse, 2), round(found.predicted, 2), found.within
        (2, 1.58, 1.58, 1.0)
    """
    labelled = np.isfinite(errors) & (deviations > 0)
    errors, deviations = errors[labelled], deviations[labelled]
    if not len(errors):
        return None
    varies = len(errors) > 2 and np.ptp(deviations) > 0 and np.ptp(np.abs(errors)) > 0
    return Calibration(
        quantity,
        unit,
        len(errors),
        float(np.sqrt(np.mean(np.square(errors)))),
        float(np.sqrt(np.mean(np.square(deviations)))),
        log_likelihood(errors, np.square(deviations)),
        float(spearmanr(deviations, np.abs(errors)).statistic) if varies else math.nan,
        float(np.mean(np.abs(errors) <= deviations)),
    )


def _require(errors: np.ndarray, variances: np.ndarray, who: str) -> None:
    if not len(errors) or len(errors) != len(variances) or not (variances > 0).all():
        raise ValueError(
            f"{who}: expected as many positive variances as errors, and at least one, got {len(errors)} errors and "
            f"{int((variances > 0).sum())} positive of {len(variances)} variances. Leave out what has no label."
        )
