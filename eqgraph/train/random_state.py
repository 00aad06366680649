"""The state of every generator of random numbers that a training may draw from."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Start the generators of torch (CPU and GPUs), numpy and Python anew."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def random_state() -> dict[str, Any]:
    """The state of these generators as tensors and plain numbers, which a checkpoint can hold.

    Example:
        >>> state = random_state()
        >>> first = torch.rand(1), np.random.rand(), random.random()
        >>> set_random_state(state)
        >>> first == (torch.rand(1), np.random.rand(), random.random())
        True
    """
    numbers = np.random.get_state(legacy=False)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "numpy": {
            **numbers,
            "state": {**numbers["state"], "key": torch.from_numpy(numbers["state"]["key"].astype("i8"))},
        },
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Go on with the numbers that came after `random_state`; GPUs that are not there any more are left out."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        for device, cuda in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(cuda, device)
    numbers = state["numpy"]
    key = numbers["state"]["key"].numpy().astype("u4")
    np.random.set_state({**numbers, "state": {**numbers["state"], "key": key}})
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
