"""Whether two structures are the same up to rotation, reflection, translation and the order of atoms."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from eqgraph.datasets import Frame

from .environment import Environment

SAME = 2e-4
"""Distance [Å] of atoms that are at the same place."""
_MOST_TRIES = 200
_CLASS = 1e-2
"""Relative difference of the invariants of atoms that may be the same one."""


def same_structure(
    a: Frame, a_env: Environment, a_invariants: np.ndarray, b: Frame, b_env: Environment, b_invariants: np.ndarray
) -> bool:
    """Look for an atom of b, and directions around it, that are a reference atom of a and its surroundings; then compare all atoms.

    Args:
        a, b: structures with the same number of atoms of each element and the same periodicity.
        a_env, b_env: their environments.
        a_invariants, b_invariants: see `eqgraph.check.environment.invariants`.
    """
    if _identical(a, b):
        return True
    for start, end, turn in islice(_alignments(a, a_env, a_invariants, b, b_env, b_invariants), _MOST_TRIES):
        if _coincide(a, b, start, end, turn):
            return True
    return False


def _identical(a: Frame, b: Frame) -> bool:
    x, y = a.atoms, b.atoms
    return (
        np.array_equal(x.numbers, y.numbers)
        and float(np.abs(x.positions - y.positions).max()) < SAME
        and (not x.pbc.any() or float(np.abs(x.cell.array - y.cell.array)[x.pbc].max()) < SAME)
    )


def _alignments(a, a_env, a_invariants, b, b_env, b_invariants) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Positions of an atom in a and in b, and the orthogonal matrix that turns a (rows, on the right) like b around it."""
    reference = _rarest(a, a_invariants, a_env)
    first = _vectors(a, a_env, reference)
    if first is None:
        return
    vectors, species = first
    one = int(np.linalg.norm(vectors, axis=1).argmin())
    sine = np.linalg.norm(np.cross(vectors, vectors[one]), axis=1)
    two = int(np.where(sine > 0.3 * sine.max(), np.linalg.norm(vectors, axis=1), np.inf).argmin())
    linear = sine.max() < 1e-2  # all atoms on a line
    wanted = np.linalg.norm(vectors[[one, two]], axis=1)
    scale = np.abs(a_invariants[reference]).max() + 1e-9
    alike = (np.abs(b_invariants - a_invariants[reference]).max(1) < _CLASS * scale) & (
        b.atoms.numbers == a.atoms.numbers[reference]
    )
    for candidate in np.flatnonzero(alike).tolist():
        second = _vectors(b, b_env, candidate)
        if second is None:
            continue
        others, other_species = second
        length = np.linalg.norm(others, axis=1)
        ones = np.flatnonzero((np.abs(length - wanted[0]) < 4 * SAME) & (other_species == species[one]))
        twos = np.flatnonzero((np.abs(length - wanted[1]) < 4 * SAME) & (other_species == species[two]))
        for i in ones:
            for j in ones[:1] if linear else twos:
                if not linear and abs(others[i] @ others[j] - vectors[one] @ vectors[two]) > 8 * SAME * wanted.max():
                    continue
                pair = (vectors[[one, two]], others[[i, j]]) if not linear else (vectors[[one]], others[[i]])
                for parity in (1.0, -1.0):
                    yield a.atoms.positions[reference], b.atoms.positions[candidate], _turn(*pair, parity)


def _rarest(frame: Frame, invariants: np.ndarray, env: Environment) -> int:
    """The atom like which there are the fewest others."""
    with_neighbors = env.num_neighbors > 0
    rounded = np.round(invariants / (np.abs(invariants).max() + 1e-9), 2)
    labels = np.column_stack([frame.atoms.numbers, rounded])
    _, inverse, counts = np.unique(labels, axis=0, return_inverse=True, return_counts=True)
    return int(np.where(with_neighbors, counts[inverse.ravel()], len(labels) + 1).argmin())


def _vectors(frame: Frame, env: Environment, atom: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Vectors from an atom to its neighbors, and their elements; in open space to all others."""
    if frame.atoms.pbc.any():
        chosen = env.src == atom
        vectors, species = env.vectors[chosen], frame.atoms.numbers[env.dst[chosen]]
    else:
        others = np.arange(len(frame.atoms)) != atom
        vectors = (frame.atoms.positions - frame.atoms.positions[atom])[others]
        species = frame.atoms.numbers[others]
    return (vectors, species) if len(vectors) else None


def _turn(from_rows: np.ndarray, to_rows: np.ndarray, parity: float) -> np.ndarray:
    """The orthogonal matrix of a given determinant with from_rows @ matrix like to_rows."""
    u, _, v = np.linalg.svd(from_rows.T @ to_rows)
    return u @ np.diag([1, 1, parity * np.sign(np.linalg.det(u @ v))]) @ v


def _coincide(a: Frame, b: Frame, start: np.ndarray, end: np.ndarray, turn: np.ndarray) -> bool:
    """Whether each atom of a, turned around start and moved to end, is at the place of an atom of b, the cell too."""
    moved = (a.atoms.positions - start) @ turn + end
    pbc = b.atoms.pbc
    box = b.atoms.cell.array.copy()
    if pbc.any():
        if not pbc.all():
            box[~pbc] = np.linalg.svd(box[pbc])[2][pbc.sum() :]
        lattice = (a.atoms.cell.array[pbc] @ turn) @ np.linalg.inv(box)
        if np.abs((lattice - np.round(lattice)) @ box).max() > 4 * SAME:
            return False
        inverse = np.linalg.inv(box)
    # atom by atom: each of b may be met once
    taken = np.zeros(len(moved), dtype=bool)
    for position, number in zip(moved, a.atoms.numbers, strict=True):
        difference = b.atoms.positions - position
        if pbc.any():
            fractional = difference @ inverse
            difference = (fractional - np.where(pbc, np.round(fractional), 0)) @ box
        distance = np.where(taken | (b.atoms.numbers != number), np.inf, np.square(difference).sum(1))
        nearest = int(distance.argmin())
        if not distance[nearest] < (4 * SAME) ** 2:
            return False
        taken[nearest] = True
    return True
