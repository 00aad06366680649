import math

import numpy as np
import pytest
from scipy.stats import norm, spearmanr

from eqgraph.uncertainty import calibration, likelihood_factor, log_likelihood, moment_factor


def test_factors_of_gaussian_errors_are_those_put_in():
    rng = np.random.default_rng(0)
    deviations = rng.uniform(0.5, 2.0, size=50000)
    errors = 3.0 * deviations * rng.normal(size=50000)
    assert likelihood_factor(errors, deviations**2) == pytest.approx(3.0, rel=0.01)
    assert moment_factor(errors, deviations**2) == pytest.approx(3.0, rel=0.01)


def test_the_likelihood_factor_is_the_best_one():
    rng = np.random.default_rng(0)
    errors, variances = rng.normal(size=20), rng.uniform(0.1, 1.0, size=20)
    best = likelihood_factor(errors, variances)
    found = [log_likelihood(errors, (best * other) ** 2 * variances) for other in (0.98, 1.0, 1.02)]
    assert max(found) == found[1]


def test_numbers_are_those_of_scipy():
    rng = np.random.default_rng(0)
    deviations = rng.uniform(0.5, 2.0, size=1000)
    errors = deviations * rng.normal(size=1000)
    unlabelled = np.append(errors, [np.nan, 1.0]), np.append(deviations, [1.0, 0.0])
    found = calibration("energy", "meV", *unlabelled)
    assert found.count == 1000
    assert found.log_likelihood == pytest.approx(norm.logpdf(errors, scale=deviations).mean())
    assert found.rank_correlation == pytest.approx(spearmanr(deviations, abs(errors))[0])
    assert found.within == pytest.approx(0.683, abs=0.04)
    assert found.rmse == pytest.approx(found.predicted, rel=0.05)


def test_nothing_to_compare():
    assert calibration("energy", "meV", np.array([np.nan]), np.array([1.0])) is None
    assert math.isnan(calibration("energy", "meV", np.array([1.0, 2.0]), np.array([1.0, 1.0])).rank_correlation)
    for function in (likelihood_factor, moment_factor, log_likelihood):
        with pytest.raises(ValueError, match="expected as many positive variances as errors, and at least one, got 1"):
            function(np.array([1.0]), np.array([0.0]))
