"""What the loss makes of an error, entry by entry."""

from __future__ import annotations

from torch import Tensor


def error_function(error: Tensor, name: str, delta: float | None = None) -> Tensor:
    """e² (mse), |e| (mae), or e²/2 up to delta and delta (|e| - delta/2) beyond it (huber); zero where the error is zero.

    Example:
        >>> import torch
        >>> error_function(torch.tensor([-0.1, 2.0]), "huber", 1.0)
        tensor([0.0050, 1.5000])

    Reference: Huber 1964, doi:10.1214/aoms/1177703732.
    """
    if name == "mse":
        return error.square()
    size = error.abs()
    if name == "mae":
        return size
    return (error.square() / 2).where(size <= delta, delta * (size - delta / 2))
