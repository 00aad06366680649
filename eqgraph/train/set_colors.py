"""Which set has which color in charts."""

from __future__ import annotations

from collections.abc import Iterable

from eqgraph.report import COLORS


def set_colors(names: Iterable[str]) -> dict[str, str]:
    """Training and validation as in learning curves, other sets after them.

    Args:
        names: of the sets.

    Example:
        >>> set_colors(["valid", "300K"]) == {"valid": COLORS[0], "300K": COLORS[2]}
        True
    """
    known, colors, others = {"train": COLORS[1], "valid": COLORS[0]}, {}, 0
    for name in names:
        colors[name] = known.get(name, COLORS[2 + others % (len(COLORS) - 2)])
        others += name not in known
    return colors
