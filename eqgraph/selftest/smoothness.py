"""Energy and forces are continuous when a neighbor leaves."""

import ase
import numpy as np
import torch

from eqgraph.graph import edge_vectors, from_ase

from .result import SelftestResult
from .subject import Subject

_STEP, _LONG_STEP = 1e-5, 1e-3
"""Å; the long one for derivatives of forces."""
_RELATIVE = 1e-6
"""Tolerance relative to Scales: a curve that is smooth on either side leaves step² f'', 1e-9 to 1e-8 of the scale of f in bonds, a jump
all of itself. Measured in float64, where rounding is far below."""
_CANDIDATES = 30
_NEAR = 1.2
"""Cutoffs: pairs within it need no more than a small displacement."""


def measure_smoothness(subject: Subject) -> SelftestResult:
    """An atom is pulled away from another through the cutoff.

    What remains of f(cutoff + 0) - f(cutoff - 0), each extrapolated from two points on its side, is a jump. That of force
    constants, which does not break the conservation of energy, is told besides.
    """
    if not _are_near(subject):  # chains or layers far apart: atoms see their own images only
        return SelftestResult("cutoff", note="no atom can be pulled away from another: none is near")
    counts = (1, 2, -1, -2)
    energies, forces = _pulled(subject, [count * _STEP for count in counts])
    weights = np.array([2.0, -1.0, -2.0, 1.0])
    measurements = (
        subject.energy_difference(float(weights @ energies), " jump", _RELATIVE),
        subject.force_difference(np.tensordot(weights, forces, 1), " jump", _RELATIVE),
    )
    counts = (1, 2, 3, -1, -2, -3)
    _, forces = _pulled(subject, [count * _LONG_STEP for count in counts])
    weights = np.array([-5.0, 8.0, -3.0, -5.0, 8.0, -3.0]) / (
        2 * _LONG_STEP
    )  # derivatives on both sides, to second order
    jump = np.abs(np.tensordot(weights, forces, 1)).max()
    return SelftestResult("cutoff", measurements, f"force constants jump by {jump:.0e} eV/Å²")


def _pulled(subject: Subject, beyond: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Energies [eV/atom] and forces where an atom is at the cutoff + these distances from another."""
    atom, distance, direction = _pair(subject)
    structures = []
    for further in beyond:
        moved = subject.enlarged.copy()
        moved.positions[atom] += (subject.cutoff + further - distance) * direction
        structures.append(moved)
    values = [subject.predict(moved, exact=True) for moved in structures]
    return np.array([value.energy for value in values]), np.array([value.forces for value in values])


def _are_near(subject: Subject) -> bool:
    """Whether two different atoms are."""
    src, dst = from_ase(subject.enlarged, _NEAR * subject.cutoff).edge_index
    return bool((src != dst).any())


def _pair(subject: Subject) -> tuple[int, float, np.ndarray]:
    """An atom whose distance to another is almost the cutoff, this distance, and the direction from the other.

    Of the pairs that need the smallest displacement, that whose atom comes least close to others.
    """
    atoms = subject.enlarged
    data = from_ase(atoms, _NEAR * subject.cutoff)
    vectors = edge_vectors(data.pos, data.cell[0], data.edge_index, data.edge_shift)
    src, dst = data.edge_index
    between = (src != dst).nonzero().flatten()  # an atom does not move relative to its own images
    lengths = vectors.norm(dim=-1)
    order = between[(lengths[between] - subject.cutoff).abs().argsort(stable=True)][:_CANDIDATES]
    room = torch.stack([_room(atoms, subject.cutoff, int(dst[edge]), vectors[edge]) for edge in order])
    best = order[int((room > 0.9 * room.max()).nonzero()[0])]
    direction = vectors[best] / lengths[best]
    return int(dst[best]), float(lengths[best]), direction.numpy()


def _room(atoms: ase.Atoms, cutoff: float, atom: int, vector: torch.Tensor) -> torch.Tensor:
    """Distance to the nearest other atom once an atom is at the cutoff."""
    moved = atoms.copy()
    moved.positions[atom] += (cutoff / float(vector.norm()) - 1) * vector.numpy()
    others = np.arange(len(atoms)) != atom
    return torch.tensor(moved.get_distances(atom, np.flatnonzero(others), mic=bool(atoms.pbc.any())).min())
