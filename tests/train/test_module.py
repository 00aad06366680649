"""The learning rate."""

import pytest

from eqgraph.train.config import CosineSchedule
from eqgraph.train.module import cosine_factor


def test_cosine_with_warm_up():
    schedule = CosineSchedule(warmup_steps=10, final_fraction=0.1)
    assert cosine_factor(0, 0.0, schedule) == pytest.approx(0.1)
    assert cosine_factor(9, 0.0, schedule) == pytest.approx(1.0)
    assert cosine_factor(500, 0.5, schedule) == pytest.approx(0.55)
    assert cosine_factor(900, 1.0, schedule) == pytest.approx(0.1)


def test_the_last_validation_may_take_longer_than_the_time_allowed():
    assert cosine_factor(900, 1.3, CosineSchedule(final_fraction=0.1)) == pytest.approx(0.1)
