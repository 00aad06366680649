"""Which weights of the loss hold when."""

from __future__ import annotations

from collections.abc import Sequence


def stage_at(starts: Sequence[int | float], progress: float, epoch: int) -> int:
    """The last stage that has begun; 0 before all of them.

    Args:
        starts: of the stages 1, 2 ...: a fraction of the training (float) or an epoch (int).
        progress: the fraction of the training that is over.
        epoch: the current one, counted from 1.

    Example:
        >>> [stage_at([0.5, 90], progress, epoch) for progress, epoch in ((0.2, 20), (0.5, 50), (0.7, 90))]
        [0, 1, 2]
    """
    begun = [progress >= start if isinstance(start, float) else epoch >= start for start in starts]
    return max((number for number, is_over in enumerate(begun, 1) if is_over), default=0)
