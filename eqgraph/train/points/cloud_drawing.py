"""A cloud of points as a small drawing."""

from __future__ import annotations

import numpy as np

_MOST_POINTS = 500
_LAYERS = 4
_VIEWS = ((30.0, 20.0), (120.0, 20.0))
"""Degrees: azimuth around z, and elevation."""


def draw_cloud(points: np.ndarray, wrong: np.ndarray | None = None, size: int = 130) -> str:
    """An SVG of a cloud from two sides, z upwards; what is near is darker.

    Args:
        points: (points, 3); of more than 500, some are drawn at random.
        wrong: (points,) whether each has the wrong class, drawn in orange; None: all in blue.
        size: of each view in pixels.

    Example:
        >>> draw_cloud(np.eye(3)).count("h0")
        6
    """
    chosen = np.random.default_rng(0).permutation(len(points))[:_MOST_POINTS]
    points = points[chosen].astype(float)
    wrong = np.zeros(len(points), dtype=bool) if wrong is None else wrong[chosen]
    points = points - (points.min(0) + points.max(0)) / 2
    points = points / (np.linalg.norm(points, axis=1).max() or 1.0)
    layers, width = [], 6 if len(points) < 120 else 4 if len(points) < 300 else 3
    for number, view in enumerate(_VIEWS):
        x, y, depth = _seen(points, *view)
        x, y = size * (0.5 + number + 0.47 * x), size * (0.5 - 0.47 * y)
        order = np.argsort(depth, kind="stable")
        for layer, part in enumerate(np.array_split(order, _LAYERS)):
            opacity = 0.3 + 0.6 * layer / (_LAYERS - 1)
            for color, kind in (("#0072b2", ~wrong[part]), ("#d55e00", wrong[part])):
                steps = "".join(f"M{x[point]:.1f} {y[point]:.1f}h0" for point in part[kind])
                if steps:
                    layers.append(f"<path d='{steps}' stroke='{color}' stroke-opacity='{opacity:.2f}'/>")
    content = "".join(layers)
    return (
        f"<svg class='drawing' width='{2 * size}' height='{size}' viewBox='0 0 {2 * size} {size}' role='img' stroke-width='{width}' "
        f"stroke-linecap='round'>{content}</svg>"
    )


def _seen(points: np.ndarray, azimuth: float, elevation: float) -> np.ndarray:
    """(3, points): to the right, upwards, and towards the eye."""
    a, e = np.radians(azimuth), np.radians(elevation)
    right = np.array([-np.sin(a), np.cos(a), 0])
    eye = np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
    return np.stack([right, np.cross(eye, right), eye]) @ points.T
