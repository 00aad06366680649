"""Interatomic potentials as ASE calculators that are fast enough for some hundred atoms.

Energies eV, lengths Å. A potential gives an energy and its derivative by each vector r_ij = r_j - r_i; forces and stress follow:
F_i = Σ_j (∂E/∂r_ij - ∂E/∂r_ji), σ = Σ r_ij ⊗ ∂E/∂r_ij / V.
"""

import numpy as np
import vesin
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress


class EdgePotential(Calculator):
    """E({r_ij}) over all ordered pairs that are closer than the cutoff, from a list that holds while atoms move less than half a skin.

    Subclasses set `cutoff` [Å] and define `of_edges(src, edge_vec, edge_len) -> (energy, ∂E/∂edge_vec)`; edges are sorted by src.
    """

    implemented_properties = ("energy", "free_energy", "forces", "stress")
    skin = 0.15  # of the cutoff
    cutoff: float
    _listed: tuple | None = None

    def edges(self, atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """src, dst (edges,), edge_vec (edges, 3), edge_len (edges,) within the cutoff."""
        pos, cell = atoms.positions, atoms.cell.array
        if self._listed is None or not self._still_valid(pos, cell):
            neighbors = vesin.NeighborList(cutoff=(1 + self.skin) * self.cutoff, full_list=True)
            src, dst, shift = neighbors.compute(points=pos, box=cell, periodic=True, quantities="ijS")
            order = np.lexsort((*shift.T, dst, src))  # the same sums, in the same order, each time
            self._listed = pos.copy(), cell.copy(), src[order].astype(int), dst[order].astype(int), shift[order]
        _, _, src, dst, shift = self._listed
        edge_vec = pos[dst] - pos[src] + shift @ cell
        edge_len = np.sqrt(np.einsum("ij,ij->i", edge_vec, edge_vec))
        near = edge_len < self.cutoff
        return src[near], dst[near], edge_vec[near], edge_len[near]

    def _still_valid(self, pos: np.ndarray, cell: np.ndarray) -> bool:
        old_pos, old_cell = self._listed[:2]
        if pos.shape != old_pos.shape:
            return False
        moved = np.linalg.norm(pos - old_pos, axis=1).max()
        return 2 * moved + 2 * np.abs(cell - old_cell).sum() < self.skin * self.cutoff

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        src, dst, edge_vec, edge_len = self.edges(self.atoms)
        energy, gradient = self.of_edges(src, edge_vec, edge_len)
        forces = np.stack(
            [np.bincount(src, g, len(self.atoms)) - np.bincount(dst, g, len(self.atoms)) for g in gradient.T], axis=1
        )
        stress = edge_vec.T @ gradient / self.atoms.get_volume()
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": forces,
            "stress": full_3x3_to_voigt_6_stress(stress),
        }


class LennardJones(EdgePotential):
    """E = Σ_{i<j} 4ε ((σ/r)¹² - (σ/r)⁶), shifted to zero at the cutoff.

    Args:
        epsilon: depth [eV].
        sigma: where the potential is zero [Å].
        cutoff: in σ.
    """

    def __init__(self, epsilon: float, sigma: float, cutoff: float = 2.5):
        super().__init__()
        self.epsilon, self.sigma, self.cutoff = epsilon, sigma, cutoff * sigma
        self.shift = cutoff**-12 - cutoff**-6

    def of_edges(self, src, edge_vec, edge_len):
        power = (self.sigma / edge_len) ** 6
        energy = 2 * self.epsilon * np.sum(power**2 - power - self.shift)  # each pair is here twice
        slope = 2 * self.epsilon * (-12 * power**2 + 6 * power) / edge_len**2
        return energy, slope[:, None] * edge_vec


class InversePower(EdgePotential):
    """E = Σ_{i<j} ε ((σ/r)⁶ - (σ/r_c)⁶): soft spheres, which freeze to bcc at n σ³ √(ε/kT) = 2.3 (Hoover et al. 1971).

    Args:
        epsilon: energy at r = σ [eV].
        sigma: length [Å].
        cutoff: r_c in σ.
    """

    def __init__(self, epsilon: float, sigma: float, cutoff: float = 2.8):
        super().__init__()
        self.epsilon, self.sigma, self.cutoff, self.shift = epsilon, sigma, cutoff * sigma, cutoff**-6

    def of_edges(self, src, edge_vec, edge_len):
        power = (self.sigma / edge_len) ** 6
        energy = self.epsilon / 2 * np.sum(power - self.shift)
        return energy, (-3 * self.epsilon * power / edge_len**2)[:, None] * edge_vec


class TightBinding(EdgePotential):
    """Copper: repulsion of pairs, and a bond energy that grows like the square root of the number of neighbors.

    E = Σ_i [Σ_j A e^{-p (r_ij/r₀ - 1)} - √(Σ_j ξ² e^{-2q (r_ij/r₀ - 1)})],  both exponentials shifted to zero at the cutoff

    Reference: second-moment approximation with the parameters of Cleri and Rosato 1993, doi:10.1103/PhysRevB.48.22.
    """

    A, xi, p, q, r0 = 0.0855, 1.224, 10.960, 2.278, 2.556
    cutoff = 5.9  # Å: five shells

    def of_edges(self, src, edge_vec, edge_len):
        stretch, end = edge_len / self.r0 - 1, self.cutoff / self.r0 - 1
        repulsion, overlap = self.A * np.exp(-self.p * stretch), self.xi**2 * np.exp(-2 * self.q * stretch)
        shifted = overlap - self.xi**2 * np.exp(-2 * self.q * end)
        bond = np.sqrt(np.bincount(src, shifted))
        energy = np.sum(repulsion - self.A * np.exp(-self.p * end)) - np.sum(bond)
        slope = (-self.p * repulsion + self.q * overlap / bond[src]) / (self.r0 * edge_len)
        return energy, slope[:, None] * edge_vec


class StillingerWeber(EdgePotential):
    """Silicon: pairs, and triplets that want the tetrahedral angle.

    E = Σ_{i<j} ε A (B s⁴ - 1) e^{1/(1/s - a)} + Σ_i Σ_{j<k} ε λ (cos θ_jik + 1/3)² e^{γ/(r_ij/σ - a) + γ/(r_ik/σ - a)},  s = σ/r

    Reference: Stillinger and Weber 1985, doi:10.1103/PhysRevB.31.5262, with ε = 2.1683 eV.
    """

    epsilon, sigma, a, strength, gamma = 2.1683, 2.0951, 1.8, 21.0, 1.2
    A, B = 7.049556277, 0.6022245584
    cutoff = (a - 1e-6) * sigma

    def of_edges(self, src, edge_vec, edge_len):
        r = edge_len / self.sigma
        unit = edge_vec / edge_len[:, None]
        gap = 1 / (r - self.a)
        bond, decay = self.B * r**-4 - 1, np.exp(gap)
        energy = self.epsilon * self.A / 2 * np.sum(bond * decay)
        slope = self.epsilon * self.A / 2 * decay * (-4 * self.B * r**-5 - bond * gap**2) / self.sigma
        gradient = slope[:, None] * unit

        # pairs of edges with the same src: each edge with those after it in its block
        degree = np.bincount(src)
        after = np.repeat(np.cumsum(degree), degree) - np.arange(len(src)) - 1
        first = np.repeat(np.arange(len(src)), after)
        second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(after) - after, after)
        cos = np.einsum("ij,ij->i", unit[first], unit[second])
        tail = np.exp(self.gamma * gap)
        weight = self.epsilon * self.strength * tail[first] * tail[second]
        energy += np.sum(weight * (cos + 1 / 3) ** 2)
        by_cos = 2 * weight * (cos + 1 / 3)
        for this, other in ((first, second), (second, first)):
            by_len = -weight * (cos + 1 / 3) ** 2 * self.gamma * gap[this] ** 2 / self.sigma
            turned = (by_cos / edge_len[this])[:, None] * (unit[other] - cos[:, None] * unit[this])
            term = turned + by_len[:, None] * unit[this]
            gradient += np.stack([np.bincount(this, t, len(src)) for t in term.T], axis=1)
        return energy, gradient
