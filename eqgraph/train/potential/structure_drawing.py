"""A structure as a small drawing."""

from __future__ import annotations

import ase
import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from scipy.spatial import cKDTree

_MOST_ATOMS = 300
_BOND = 1.25
"""Times the sum of covalent radii: how long a bond may be."""


def draw_structure(atoms: ase.Atoms, mark: int | None = None, width: int = 180, height: int = 130) -> str:
    """An SVG of a structure, looked at along the direction in which it is thinnest.

    Args:
        atoms: structure; of one of more than 300 atoms, those nearest to the marked one are drawn.
        mark: number of an atom to circle.
        width, height: in pixels.

    Example:
        >>> draw_structure(ase.Atoms("H2", [(0, 0, 0), (0, 0, 0.74)])).count("<circle")
        2
    """
    pos, numbers = atoms.positions, atoms.numbers
    chosen = np.arange(len(atoms))
    if len(atoms) > _MOST_ATOMS:
        chosen = np.argsort(np.linalg.norm(pos - pos[mark or 0], axis=1), kind="stable")[:_MOST_ATOMS]
    pos, numbers = pos[chosen] - pos[chosen].mean(0), numbers[chosen]
    _, _, directions = np.linalg.svd(pos, full_matrices=True)
    flat = pos @ directions.T  # widest, wide, depth
    radii = 0.5 * covalent_radii[numbers]
    low, high = (flat[:, :2] - radii[:, None]).min(0) - 0.2, (flat[:, :2] + radii[:, None]).max(0) + 0.2
    scale = min(width / (high - low)[0], height / (high - low)[1], 34.0)
    x, y = ((flat[:, :2] - (low + high) / 2) * scale + (width / 2, height / 2)).T
    pairs = cKDTree(pos).query_pairs(_BOND * 2 * covalent_radii[numbers].max(), output_type="ndarray")
    first, second = pairs.T
    lengths = np.linalg.norm(pos[first] - pos[second], axis=1)
    bonded = lengths < _BOND * (covalent_radii[numbers[first]] + covalent_radii[numbers[second]])
    parts = [(min(flat[i, 2], flat[j, 2]) - 1e-3, _line(x[i], y[i], x[j], y[j])) for i, j in pairs[bonded]]
    for index in range(len(pos)):
        ring = mark is not None and int(chosen[index]) == mark
        parts.append((flat[index, 2], _atom(x[index], y[index], scale * radii[index], int(numbers[index]), ring)))
    content = "".join(text for _, text in sorted(parts, key=lambda part: part[0]))
    return f"<svg class='drawing' width='{width}' height='{height}' viewBox='0 0 {width} {height}' role='img'>{content}</svg>"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f"<path d='M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}' stroke='#999' stroke-width='2.5'/>"


def _atom(x: float, y: float, radius: float, number: int, ring: bool) -> str:
    color = "#" + "".join(f"{round(255 * part):02x}" for part in jmol_colors[number])
    edge, width = ("#d55e00", 3) if ring else ("#555", 1)
    circle = (
        f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius:.1f}' fill='{color}' stroke='{edge}' stroke-width='{width}'>"
    )
    return f"{circle}<title>{chemical_symbols[number]}</title></circle>"
