"""Structures to test a potential on where none is given: made of its species, like nothing in particular."""

from collections.abc import Sequence

import ase
import numpy as np
from ase.data import covalent_radii

_ATOMS = 8
_STRETCH, _CLOSEST = 1.1, 0.95
"""In sums of covalent radii: length of the bonds that are made, and shortest distance."""
_LARGEST = 0.7
"""Bonds in cutoffs, so that each atom has neighbors."""
_TRIES = 1000


def made_structures(species: Sequence[int], cutoff: float) -> dict[str, ase.Atoms]:
    """A cluster and a crystal, the same each time.

    Args:
        species: atomic numbers, of which all occur.
        cutoff: of the potential [Å]; no atom is without neighbors.

    Returns:
        "cluster" and "crystal" -> structure; the crystal's cell is oblique, and smaller than most cutoffs.

    Example:
        >>> {name: (str(atoms.symbols), bool(atoms.pbc.all())) for name, atoms in made_structures([1, 8], 5.0).items()}
        {'cluster': ('HOHOHOHO', False), 'crystal': ('HOHOHOHO', True)}
    """
    species = sorted(set(species))
    numbers = [species[index % len(species)] for index in range(max(_ATOMS, len(species)))]
    return {"cluster": _cluster(numbers, cutoff), "crystal": _crystal(numbers, cutoff)}


def _bond(first: int, second: int, cutoff: float) -> float:
    return min(_STRETCH * (covalent_radii[first] + covalent_radii[second]), _LARGEST * cutoff)


def _cluster(numbers: list[int], cutoff: float) -> ase.Atoms:
    """Each atom is bound to one of those before, in a random direction in which there is room."""
    rng, positions = np.random.default_rng(0), [np.zeros(3)]
    for count, number in enumerate(numbers[1:], start=1):
        bonds = np.array([_bond(number, other, cutoff) for other in numbers[:count]])
        best, most = None, -np.inf
        for _ in range(_TRIES):
            partner, direction = rng.integers(count), rng.normal(size=3)
            place = positions[partner] + bonds[partner] * direction / np.linalg.norm(direction)
            room = (np.linalg.norm(np.array(positions) - place, axis=1) / bonds).min()
            if room > most:
                best, most = place, room
            if most > _CLOSEST / _STRETCH:
                break
        positions.append(best)
    return ase.Atoms(numbers, positions)


def _crystal(numbers: list[int], cutoff: float) -> ase.Atoms:
    """Simple cubic, cut to a box, sheared, and without any symmetry."""
    rng = np.random.default_rng(0)
    spacing = max(_bond(first, second, cutoff) for first in numbers for second in numbers)
    size = [2, 2, -(-len(numbers) // 4)]
    sites = np.array([(x, y, z) for z in range(size[2]) for y in range(size[1]) for x in range(size[0])], dtype=float)
    filled = [numbers[index % len(numbers)] for index in range(len(sites))]
    positions = spacing * (sites + rng.uniform(-0.05, 0.05, size=sites.shape))
    atoms = ase.Atoms(filled, positions, cell=spacing * np.diag(size), pbc=True)
    shear = np.eye(3) + np.array([(0.0, 0.1, 0.05), (0.0, 0.0, 0.1), (0.0, 0.0, 0.0)])
    atoms.set_cell(atoms.cell.array @ shear, scale_atoms=True)
    return atoms
