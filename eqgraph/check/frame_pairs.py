"""Pairs of frames that lie close together, and the work between them that forces and stress predict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from eqgraph.datasets import Frame

_MAX_FRAMES = 600
"""Of one composition: the search compares all with all."""
_MAX_ATOMS = 48
"""Whose distances tell which molecules are alike."""
_NEAREST = 2
_FARTHEST = 0.5
"""Largest movement of an atom, in units of the shortest distance in the frame: further away, work is not a trapezoid."""
_LARGEST_STRAIN = 0.08
_SMALLEST_STRAIN = 1e-5
_SHEAR = ([1, 0, 0], [2, 2, 1])
"""Where yz, xz and xy are in a (3, 3) tensor."""


class FramePair(NamedTuple):
    """Two frames of the same atoms in the same order; b is turned like a."""

    a: Frame
    b: Frame
    rise: float
    """Energy of b less that of a."""
    force_work: float
    """-½ Σ (F_a · dr_a + F_b · dr_b); NaN without forces."""
    stress_work: float
    """½ (V_a σ_a : ε_a + V_b σ_b : ε_b); NaN without stress, 0 in the same cell."""
    volume: float
    """Mean of both; NaN without a cell."""
    movement: float
    """Largest displacement of an atom inside of the cell, in units of the shortest distance in a."""
    strain: float
    """Largest principal strain; 0 in the same cell."""
    shear_work: np.ndarray
    """(3, 3): row c, column s: the part of stress component s (yz, xz, xy) on strain component c (yz, xz, xy)."""


def frame_pairs(frames: Sequence[Frame], max_pairs: int = 2000) -> list[FramePair]:
    """Pairs of neighboring frames with energies: each frame with those nearest to it among all of the same atoms.

    Both parts of the work are exact to third order in the distance of the frames: the mean of both ends.

    Args:
        frames: structures, isolated atoms not among them.
        max_pairs: how many at most.
    """
    groups: dict[tuple, list[Frame]] = defaultdict(list)
    for frame in frames:
        if frame.energy is not None and len(frame.atoms) > 1 - frame.atoms.pbc.any():
            groups[frame.atoms.numbers.tobytes(), frame.atoms.pbc.tobytes()].append(frame)
    pairs: list[FramePair] = []
    share = max(4, max_pairs // max(len(groups), 1))
    for group in groups.values():
        if len(group) > 1:
            pairs += spread(list(_pairs(spread(group, _MAX_FRAMES))), share)
    return pairs


def spread(items: list, most: int) -> list:
    """At most so many items, evenly from all."""
    if len(items) <= most:
        return items
    return [items[index] for index in np.linspace(0, len(items) - 1, most).astype(int)]


def _pairs(group: list[Frame]) -> Iterator[FramePair]:
    points = _descriptors(group)
    square = np.square(points).sum(1)
    distance = square[:, None] + square - 2 * points @ points.T
    np.fill_diagonal(distance, np.inf)
    nearest = min(_NEAREST, len(group) - 1)
    near = np.argpartition(distance, nearest - 1, axis=1)[:, :nearest]
    chosen = {(min(i, j), max(i, j)) for i, row in enumerate(near.tolist()) for j in row}
    for i, j in sorted(chosen):
        if (pair := _pair(group[i], group[j])) is not None:
            yield pair


def _descriptors(group: list[Frame]) -> np.ndarray:
    """Points that are near each other where frames are, whatever their orientation and origin."""
    atoms = group[0].atoms
    chosen = np.unique(np.linspace(0, len(atoms) - 1, min(len(atoms), _MAX_ATOMS)).astype(int))
    if not atoms.pbc.any():
        i, j = chosen[np.triu_indices(len(chosen), 1)[0]], chosen[np.triu_indices(len(chosen), 1)[1]]
        positions = np.array([frame.atoms.positions for frame in group])
        return np.linalg.norm(positions[:, i] - positions[:, j], axis=2)
    metrics = np.array([_root(frame.atoms.cell.array @ frame.atoms.cell.array.T).ravel() for frame in group])
    phases = []
    for frame in group:
        fractional = frame.atoms.cell.scaled_positions(frame.atoms.positions)[chosen]
        phases.append((2 * np.pi * (fractional - fractional[:1])).ravel())
    angle = np.array(phases)
    length = np.cbrt(max(atoms.cell.volume, 1.0)) / (2 * np.pi)
    return np.concatenate([length * np.cos(angle), length * np.sin(angle), np.sqrt(len(chosen)) * metrics], axis=1)


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _pair(a: Frame, b: Frame) -> FramePair | None:
    shortest = _shortest(a)
    found = _displacements(a, b) if a.atoms.pbc.any() else _displacements_open(a, b)
    if found is None:
        return None
    dr_a, dr_b, stretch, rotation = found
    movement = float(np.linalg.norm(dr_a, axis=1).max())
    strain = float(np.abs(np.linalg.eigvalsh(stretch - np.eye(3))).max())
    if movement > _FARTHEST * shortest or strain > _LARGEST_STRAIN or max(movement / shortest, strain) < 1e-6:
        return None  # too far for a trapezoid, or the same
    force_work = np.nan
    if a.forces is not None and b.forces is not None:
        force_work = -0.5 * float((a.forces * dr_a).sum() + (b.forces @ rotation.T * dr_b).sum())
    stress_work, shear_work = 0.0, np.zeros((3, 3))
    strain = strain if strain > _SMALLEST_STRAIN else 0.0
    if strain and a.stress is not None and b.stress is not None:
        at_a = a.atoms.cell.volume * a.stress, stretch - np.eye(3)
        at_b = b.atoms.cell.volume * rotation @ b.stress @ rotation.T, np.eye(3) - np.linalg.inv(stretch)
        stress_work = 0.5 * float((at_a[0] * at_a[1]).sum() + (at_b[0] * at_b[1]).sum())
        shear_work = np.outer(at_a[1][_SHEAR], at_a[0][_SHEAR]) + np.outer(at_b[1][_SHEAR], at_b[0][_SHEAR])
    elif strain:
        stress_work = np.nan
    volume = (a.atoms.cell.volume + b.atoms.cell.volume) / 2 if a.atoms.cell.rank == 3 else np.nan
    rise = b.energy - a.energy
    return FramePair(a, b, rise, force_work, stress_work, volume, movement / shortest, strain, shear_work)


def _shortest(frame: Frame) -> float:
    """Shortest distance in a structure, periodic images included; the cell's shortest vector bounds it."""
    atoms = frame.atoms
    bound = [np.linalg.norm(vector) for vector in atoms.cell.array[atoms.pbc]]
    if len(atoms) == 1:
        return float(min(bound))
    vectors = atoms.positions[:, None] - atoms.positions
    if atoms.pbc.any() and atoms.cell.rank == 3:
        fractional = vectors @ np.linalg.inv(atoms.cell.array)
        vectors = (fractional - np.where(atoms.pbc, np.round(fractional), 0)) @ atoms.cell.array
    distance = np.linalg.norm(vectors, axis=2)
    np.fill_diagonal(distance, np.inf)
    return float(min([distance.min(), *bound]))


def _displacements_open(a: Frame, b: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Displacements after the rotation of b that makes them smallest (Kabsch)."""
    from_a = a.atoms.positions - a.atoms.positions.mean(0)
    from_b = b.atoms.positions - b.atoms.positions.mean(0)
    u, _, v = np.linalg.svd(from_b.T @ from_a)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ v))])
    turn = u @ sign @ v  # rows: from_b @ turn is like from_a
    displacements = from_b @ turn - from_a
    return displacements, displacements, np.eye(3), turn.T


def _displacements(a: Frame, b: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Displacements at fixed cell, at either end, and the stretch from the cell of a to that of b."""
    if a.atoms.cell.rank < 3 or b.atoms.cell.rank < 3:
        return None
    cell_a, cell_b = a.atoms.cell.array, b.atoms.cell.array
    u, s, v = np.linalg.svd(np.linalg.inv(cell_a) @ cell_b)
    if (u @ v).trace() < 2.5:  # another setting of the cell
        return None
    stretch, rotation = (u * s) @ u.T, u @ v  # cell_b = cell_a @ stretch @ rotation
    steps = b.atoms.positions @ np.linalg.inv(cell_b) - a.atoms.positions @ np.linalg.inv(cell_a)
    steps -= steps[0]
    steps = np.where(a.atoms.pbc, steps - np.round(steps), steps)
    steps -= steps.mean(0)
    return steps @ cell_a, steps @ cell_a @ stretch, stretch, rotation
