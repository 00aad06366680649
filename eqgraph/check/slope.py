"""A line through the origin, and how well points lie on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_NEAR = 0.3
"""Points nearer to the origin than this, in units of the median, say more of noise than of the slope."""


class Slope(NamedTuple):
    """y = slope · x."""

    slope: float
    r2: float
    """Squared correlation about the origin: 1 if all points lie on a line."""
    num_pairs: int


def fit_slope(x: np.ndarray, y: np.ndarray) -> Slope:
    """The median of y / x, which a few points far off do not change; points near the origin are left out of it.

    Example:
        >>> fit_slope(np.array([1.0, 2.0]), np.array([-2.0, -4.0]))
        Slope(slope=-2.0, r2=1.0, num_pairs=2)
    """
    xx, yy, xy = float(x @ x), float(y @ y), float(x @ y)
    if xx == 0 or yy == 0:
        return Slope(0.0, 0.0, len(x))
    far = np.abs(x) > _NEAR * np.median(np.abs(x))
    return Slope(float(np.median(y[far] / x[far])) if far.any() else 0.0, min(xy * xy / (xx * yy), 1.0), len(x))
