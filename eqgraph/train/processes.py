"""Numbers of all processes of a training, where there are several."""

from __future__ import annotations

import torch
from torch import Tensor


def num_processes() -> int:
    """How many processes train together: those of torch.distributed, or one."""
    return torch.distributed.get_world_size() if _are_several() else 1


def sum_over_processes(numbers: Tensor) -> Tensor:
    """The sum of a tensor over all processes, the same in each; all of them must call it.

    Example:
        >>> sum_over_processes(torch.tensor([1.0, 2.0]))
        tensor([1., 2.])
    """
    return _reduced(numbers, "SUM")


def max_over_processes(numbers: Tensor) -> Tensor:
    """The largest of all processes, element by element; all of them must call it."""
    return _reduced(numbers, "MAX")


def _reduced(numbers: Tensor, operation: str) -> Tensor:
    if not _are_several():
        return numbers
    reduced = numbers.detach().clone()
    torch.distributed.all_reduce(reduced, getattr(torch.distributed.ReduceOp, operation))
    return reduced


def _are_several() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
