"""Thermal displacements of a harmonic crystal, drawn from their exact distribution: for lattices that no simple potential holds."""

import numpy as np
import vesin
from ase import Atoms


class HarmonicCrystal:
    """Born-von Kármán crystal: springs along and across the bonds of the first two shells, periodic.

    V(u) = ½ Σ_bonds [k ((u_j - u_i)·b)² + k_⊥ |(u_j - u_i) × b|²] = ½ uᵀ D u,   u ~ Normal(0, kT D⁺)

    D⁺ leaves the three translations out. Only ratios of springs matter, since the width is given as Lindemann ratio.

    Args:
        atoms: perfect lattice, a periodic supercell.
        second: k of the second shell, that of the first is 1.
        across: k_⊥ / k of both shells; it must be positive where bonds alone do not resist shear (simple cubic, diamond).

    Reference: Born and Huang 1954, Dynamical Theory of Crystal Lattices.
    """

    def __init__(self, atoms: Atoms, second: float = 0.3, across: float = 0.3):
        self.atoms = atoms
        neighbors = vesin.NeighborList(cutoff=3 * (atoms.get_volume() / len(atoms)) ** (1 / 3) / 1.5, full_list=True)
        src, dst, edge_vec, edge_len = neighbors.compute(
            points=atoms.positions, box=atoms.cell.array, periodic=True, quantities="ijDd"
        )
        self.nearest = edge_len.min()
        second_len = edge_len[edge_len > 1.01 * self.nearest].min()
        stiffness = np.where(edge_len < 1.01 * self.nearest, 1.0, np.where(edge_len < 1.01 * second_len, second, 0.0))
        bond = edge_vec / edge_len[:, None]
        outer = bond[:, :, None] * bond[:, None, :]
        blocks = stiffness[:, None, None] * (outer + across * (np.eye(3) - outer))  # (edges, 3, 3)
        matrix = np.zeros((len(atoms), len(atoms), 3, 3))
        np.add.at(matrix, (src, dst), -blocks)
        np.add.at(matrix, (src, src), blocks)
        self.values, self.modes = np.linalg.eigh(matrix.transpose(0, 2, 1, 3).reshape(3 * len(atoms), -1))
        if self.values[3] < 1e-6:
            raise ValueError(
                f"HarmonicCrystal: expected three modes without a restoring force, got {(self.values < 1e-6).sum()}. "
                "Increase across."
            )

    def sample(self, lindemann: float, rng: np.random.Generator) -> Atoms:
        """A snapshot in which √⟨|u|²⟩ is lindemann times the nearest-neighbor distance."""
        width = self.values[3:] ** -0.5
        width *= lindemann * self.nearest / np.sqrt(np.sum(width**2) / len(self.atoms))
        moved = self.atoms.copy()
        moved.positions += (self.modes[:, 3:] @ (width * rng.standard_normal(len(width)))).reshape(-1, 3)
        return moved
