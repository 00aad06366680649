"""Generators of random numbers go on where they were."""

import io
import random

import numpy as np
import torch

from eqgraph.train.random_state import random_state, seed_all, set_random_state


def test_through_a_file_that_holds_no_code():
    seed_all(3)
    random.gauss()
    np.random.normal()
    buffer = io.BytesIO()
    torch.save(random_state(), buffer)
    expected = torch.randn(3), np.random.normal(size=3), [random.gauss() for _ in range(3)]
    seed_all(4)
    buffer.seek(0)
    set_random_state(torch.load(buffer, weights_only=True))
    assert torch.equal(torch.randn(3), expected[0])
    assert np.array_equal(np.random.normal(size=3), expected[1])
    assert [random.gauss() for _ in range(3)] == expected[2]


def test_one_seed_for_all():
    drawn = []
    for _ in range(2):
        seed_all(2**33)
        drawn.append((torch.rand(1).item(), np.random.rand(), random.random()))
    assert drawn[0] == drawn[1]
