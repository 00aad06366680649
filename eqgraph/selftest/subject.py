"""A potential and a structure, and all that tests need of the two."""

import copy
from collections.abc import Sequence
from functools import cached_property

import ase
import numpy as np
import torch
from torch_geometric.data import Batch

from eqgraph.graph import from_ase
from eqgraph.models import Potential

from .measurement import Measurement
from .scales import Scales, scales_of
from .tolerances import ENERGY_ROUNDING, RELATIVE
from .values import Values

_RATTLE = 0.05
"""Standard deviation of displacements [Å]: less than a tenth of a bond, more than what rounding could do."""
_FEW_ATOMS = 4


class Subject:
    """What is tested.

    Args:
        potential: it is copied.
        atoms: the structure, checked by run_selftest; constraints are left out.
        tolerance_scale: factor on all tolerances.
        md_steps: length of molecular dynamics.

    Attributes:
        potential: in the floating-point type that it came in.
        exact: the same in float64.
        given: the structure.
        atoms: the structure with all atoms displaced a little: in symmetric structures, such as perfect crystals, errors cancel.
        rng: the same random numbers each time.
    """

    def __init__(
        self, potential: Potential, atoms: ase.Atoms, tolerance_scale: float = 1.0, md_steps: int = 100
    ) -> None:
        self.potential = copy.deepcopy(potential).eval().requires_grad_(False)
        self.exact = copy.deepcopy(self.potential)
        self.exact.network.double()
        self.given = ase.Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        self.tolerance_scale, self.md_steps = tolerance_scale, md_steps
        self.rng = np.random.default_rng(0)
        self.atoms = self.given.copy()
        self.atoms.positions += self.rng.normal(scale=_RATTLE, size=(len(atoms), 3))

    @property
    def cutoff(self) -> float:
        """[Å]"""
        return self.potential.cutoff

    @property
    def dtype(self) -> torch.dtype:
        """In which the potential computes."""
        return self.potential.dtype

    @property
    def dtype_name(self) -> str:
        """ "float32" or "float64"."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def has_stress(self) -> bool:
        """Whether the structure is periodic and has a volume."""
        return bool(self.given.pbc.any() and self.given.cell.rank == 3)

    @cached_property
    def enlarged(self) -> ase.Atoms:
        """At least a few atoms that can move independently: cells with one or two atoms are doubled along periodic directions."""
        if len(self.atoms) >= _FEW_ATOMS or not self.given.pbc.any():
            return self.atoms
        larger = self.given.repeat([1 + int(periodic) for periodic in self.given.pbc])
        larger.positions += self.rng.normal(scale=_RATTLE, size=(len(larger), 3))
        return larger

    @cached_property
    def scales(self) -> Scales:
        """Magnitudes of energies, forces and stress."""
        return scales_of(self.exact, from_ase(self.atoms, self.cutoff).to(self.potential.shifts.device))

    @cached_property
    def values(self) -> Values:
        """Of atoms."""
        return self.predict(self.atoms)

    def predict(self, atoms: ase.Atoms, exact: bool = False) -> Values:
        """Of one structure; exact: by the network in float64."""
        return self.predict_together([atoms], exact)[0]

    def predict_together(self, structures: Sequence[ase.Atoms], exact: bool = False) -> list[Values]:
        """Of several structures as one batch."""
        potential, found = self.exact if exact else self.potential, []
        graphs = [from_ase(atoms, self.cutoff).to(potential.shifts.device) for atoms in structures]
        batch = graphs[0] if len(graphs) == 1 else Batch.from_data_list(graphs)
        predicted = potential(batch, forces=True, stress=self.has_stress)
        shifts, start = potential.shifts[potential.index_of_number[batch.atomic_numbers]], 0
        for index, graph in enumerate(graphs):
            own = slice(start, start := start + graph.num_nodes)
            energy = float(predicted.energy[index] - shifts[own].sum()) / graph.num_nodes
            atomic, forces = predicted.atomic_energies[own] - shifts[own], predicted.forces[own]
            stress = predicted.stress[index].cpu().numpy() if self.has_stress else None
            found.append(Values(energy, atomic.cpu().numpy(), forces.cpu().numpy(), stress))
        return found

    def compare(
        self, got: Values, expected: Values, where: str = "", relative: float | None = None
    ) -> list[Measurement]:
        """Largest differences of what should be equal; relative: tolerance in place of that for rounding."""
        relative = RELATIVE[self.dtype] if relative is None else relative
        found = [self.energy_difference(got.energy - expected.energy, where, relative)]
        found.append(self.force_difference(got.forces - expected.forces, where, relative))
        if got.stress is not None and expected.stress is not None:
            found.append(self.stress_difference(got.stress - expected.stress, where, relative))
        return found

    def energy_difference(self, difference: float, where: str, relative: float) -> Measurement:
        """[eV/atom]"""
        # sums over n atoms round to about √n ε of what is added, less than this per atom
        tolerance = relative * self.scales.energy + 100 * ENERGY_ROUNDING * self.scales.shift
        return Measurement(f"energy{where}", abs(difference), self.tolerance_scale * tolerance, "eV/atom")

    def force_difference(self, difference: np.ndarray, where: str, relative: float) -> Measurement:
        """(..., 3) [eV/Å]"""
        tolerance = self.tolerance_scale * relative * self.scales.force
        return Measurement(f"forces{where}", float(np.abs(difference).max()), tolerance, "eV/Å")

    def stress_difference(self, difference: np.ndarray, where: str, relative: float) -> Measurement:
        """(..., 3, 3) [eV/Å³]"""
        tolerance = self.tolerance_scale * relative * self.scales.stress
        return Measurement(f"stress{where}", float(np.abs(difference).max()), tolerance, "eV/Å³")
