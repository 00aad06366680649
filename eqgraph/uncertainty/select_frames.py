"""Which structures to label next: uncertain ones, and not the same thing twice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .pool import Pool

_SAME = 2e-5
"""Relative difference of the features of structures that are the same, turned or in another order of atoms: float32 leaves 1e-6."""


class Choice(NamedTuple):
    """A structure that is worth a label, and why."""

    row: int
    """In the pool."""
    deviation: float
    """Predicted standard deviation, in the unit of the pool."""
    given_others: float
    """The same when those chosen before will have been labelled: it was the largest of all."""
    rank: int
    """By the deviation alone, counted from 1."""


def choose(pool: Pool, count: int, known: np.ndarray | None = None) -> list[Choice]:
    """Take, one after the other, the structure that will be the most uncertain when those taken before are labelled.

    A label at s lowers the variances of all structures t that it tells of: var_t ← var_t - cov_ts² / (noise + var_s). With variances of
    the last layer this is the greedy D-optimal design: the same as fitting the last layer again after each step.

    Args:
        pool: to choose from.
        count: how many.
        known: (rows, num_features) features, as in the pool, of structures that are labelled already and not to be chosen.

    Returns:
        The choices in their order; fewer if there are not so many different structures.

    Raises:
        ValueError: if count is not positive, or larger than the pool.

    Example:
        >>> vectors = np.array([[2.0, 0.0], [1.9, 0.1], [0.0, 1.0]])
        >>> pool = Pool(vectors, np.linalg.norm(vectors, axis=1), "energy per atom", vectors, noise=0.01)
        >>> [choice.row for choice in choose(pool, 2)]
        [0, 2]

    Reference: Chaloner & Verdinelli 1995, doi:10.1214/ss/1177009939 (D-optimality); rank-1 downdates as in pivoted Cholesky.
    """
    size = len(pool.deviation)
    _require(count, size)
    variance = np.square(pool.deviation)
    ranks = _ranks(pool.deviation)
    allowed = np.ones(size, dtype=bool)
    for features in () if known is None else known:
        allowed &= ~_same(pool.features, features)
    factors = np.zeros((count, size))
    choices: list[Choice] = []
    while len(choices) < count and allowed.any():
        row = int(np.where(allowed, variance, -1.0).argmax())
        done = factors[: len(choices)]
        covariance = pool.column(row) - done[:, row] @ done
        left = max(float(variance[row]), 0.0)
        choices.append(Choice(row, float(pool.deviation[row]), float(np.sqrt(left)), int(ranks[row])))
        scale = np.sqrt(pool.noise + left)
        # a pool that is known exactly has no variance to lower
        factors[len(choices) - 1] = covariance / scale if scale > 0 else 0.0
        variance = variance - np.square(factors[len(choices) - 1])
        allowed &= ~_same(pool.features, pool.features[row])
    return choices


def choose_randomly(pool: Pool, count: int, seed: int = 0, known: np.ndarray | None = None) -> list[Choice]:
    """The baseline: any structures, each one once.

    Raises:
        ValueError: as choose.
    """
    _require(count, len(pool.deviation))
    ranks = _ranks(pool.deviation)
    allowed = np.ones(len(pool.deviation), dtype=bool)
    for features in () if known is None else known:
        allowed &= ~_same(pool.features, features)
    choices: list[Choice] = []
    for row in np.random.default_rng(seed).permutation(len(allowed)).tolist():
        if len(choices) < count and allowed[row]:
            deviation = float(pool.deviation[row])
            choices.append(Choice(row, deviation, deviation, int(ranks[row])))
            allowed &= ~_same(pool.features, pool.features[row])
    return choices


def _require(count: int, size: int) -> None:
    if not 1 <= count <= size:
        raise ValueError(
            f"Expected to choose between 1 and {size} structures, as many as there are, came {count}. Change the number (-n)."
        )


def _ranks(deviation: np.ndarray) -> np.ndarray:
    ranks = np.empty(len(deviation), dtype=int)
    ranks[np.argsort(-deviation, kind="stable")] = np.arange(1, len(deviation) + 1)
    return ranks


def _same(features: np.ndarray, one: np.ndarray) -> np.ndarray:
    return np.linalg.norm(features - one, axis=1) <= _SAME * np.linalg.norm(one)
