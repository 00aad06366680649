"""What surrounds the atoms of a structure: neighbors, distances, and numbers that rotations do not change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from ase.data import covalent_radii

from eqgraph.datasets import Frame
from eqgraph.graph import edge_vectors, neighbor_list

_WIDTHS = (0.7, 1.4, 2.8)
"""Of the exponentials [Å] that weigh neighbors by distance."""


class Environment(NamedTuple):
    """Of one structure with N atoms."""

    num_neighbors: np.ndarray
    """(N,) edges of each atom."""
    nearest: np.ndarray
    """(N,) distance to the nearest neighbor [Å]; infinite if there is none within the cutoff."""
    relative: np.ndarray
    """(N,) smallest distance to a neighbor over the sum of the covalent radii; infinite if there is none."""
    src: np.ndarray
    dst: np.ndarray
    distance: np.ndarray
    """(E,) of each edge [Å]."""
    vectors: np.ndarray
    """(E, 3)."""


def environment(frame: Frame, cutoff: float) -> Environment:
    """The environment of each atom.

    Raises:
        ValueError: if neighbor_list refuses the structure.
    """
    atoms = frame.atoms
    pos, cell = torch.from_numpy(atoms.positions.copy()), torch.from_numpy(atoms.cell.array.copy())
    edge_index, shift = neighbor_list(pos, cutoff, cell, torch.from_numpy(atoms.pbc.copy()))
    vectors = edge_vectors(pos, cell, edge_index, shift).numpy()
    src, dst = edge_index.numpy()
    distance = np.linalg.norm(vectors, axis=1)
    radii = covalent_radii[atoms.numbers]
    nearest, relative = np.full(len(atoms), np.inf), np.full(len(atoms), np.inf)
    np.minimum.at(nearest, dst, distance)
    np.minimum.at(relative, dst, distance / (radii[src] + radii[dst]))
    return Environment(np.bincount(dst, minlength=len(atoms)), nearest, relative, src, dst, distance, vectors)


def invariants(frame: Frame, env: Environment, cutoff: float) -> np.ndarray:
    """(N, 3): sums over neighbors, weighted by element and distance, smooth where neighbors enter the cutoff."""
    weight = np.sqrt(frame.atoms.numbers[env.src]) * np.square(1 - np.square(env.distance / cutoff))
    columns = [
        np.bincount(env.dst, weight * np.exp(-env.distance / width), minlength=len(frame.atoms)) for width in _WIDTHS
    ]
    return np.stack(columns, axis=1)
