"""The potential as an ASE calculator."""

import os
from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from eqgraph.graph import SkinNeighborList, from_ase
from eqgraph.models import Potential, PotentialInputs
from eqgraph.nn import Invariants
from eqgraph.uncertainty import RangeWatch, UncertainPotential

from .trust import is_asked, own_model, uncertain_properties, uncertain_results, warn_of_range


class EqgraphCalculator(Calculator):
    """Energy [eV], forces [eV/Å], stress [eV/Å³], their shares per atom, dipole moment [e·Å] and descriptors for ASE.

    The stresses of atoms are their virials with the opposite sign, divided by the volume of the cell, and sum to the stress.

    Args:
        model: a model file (*.eqg), or a Potential or UncertainPotential, which is copied; of a committee (the directory of a run with
            several seeds, or a Committee) predictions are means.
        device: where to compute; that of a given Potential, or the CPU for a file, if None.
        dtype: floating-point type of the network ("float32" or "float64"), as stored if None.
        uncertainty: whether every calculation has the results energy_uncertainty [eV], energies_uncertainty (of each atom's
            contribution, eV) and, of committees, forces_uncertainty [eV/Å], if the model knows them; otherwise they are computed when
            asked for: calc.get_property("energy_uncertainty"). They are standard deviations, which ASE does not write to files.
        skin: how far beyond the cutoff pairs are searched [Å], so that the search lasts for many steps; no result depends on it.

    Attributes:
        potential: what computes; of a committee, its first member.
        neighbors: its SkinNeighborList.

    Warns:
        UserWarning: once for each pair of elements that is closer than in training, and for each element that has more neighbors, if
            the model file says what was trained on.

    Raises:
        FileNotFoundError: if there is no model file.
        ValueError: if the file is no model or skin is negative, or, on use, if atoms contain a species that the model does not know.

    Example:
        >>> from ase.build import molecule
        >>> from eqgraph.models import build_potential
        >>> atoms = molecule("H2O")
        >>> atoms.calc = EqgraphCalculator(build_potential("nequip", {}, [1, 8], 4.0, [-13.6, -2041.8], [1.0, 1.0], 2.0))
        >>> atoms.get_forces().shape, atoms.calc.get_descriptors(atoms).shape
        ((3, 3), (3, 32))
    """

    implemented_properties = ("energy", "free_energy", "energies", "forces", "stress", "stresses")

    def __init__(
        self,
        model: str | os.PathLike | Potential | UncertainPotential,
        device: torch.device | str | None = None,
        dtype: str | None = None,
        uncertainty: bool = False,
        skin: float = 1.0,
    ) -> None:
        super().__init__()
        # a copy: the dtype, device and mode of the calculator are its own
        self.model = own_model(model)
        if device is not None:
            self.model = self.model.to(device)
        if dtype is not None:
            if dtype not in ("float32", "float64"):
                raise ValueError(
                    f"EqgraphCalculator: expected dtype 'float32' or 'float64', got {dtype!r}. Choose one of these."
                )
            for module in self.model.modules():
                if isinstance(module, Potential):
                    module.network.to(getattr(torch, dtype))
        self.model.eval().requires_grad_(False)  # gradients of weights would be computed for nobody
        self.potential = self.model.potential
        self.uncertainty, self._watch = uncertainty, RangeWatch(self.model.trained_range)
        self.neighbors = SkinNeighborList(self.potential.cutoff, skin, self.potential.shifts.device)
        dipole = ("dipole",) if self.potential.predicts_dipole else ()
        self.implemented_properties = (*self.implemented_properties, *dipole, *uncertain_properties(self.model))
        self._numbers: np.ndarray | None = None
        self._species = self._batch = torch.empty(0, dtype=torch.int64)
        self._stresses_wanted = False

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill self.results; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        self.results = {}  # not those of the last atoms, should these be refused
        has_volume = bool(self.atoms.cell.rank == 3)
        self._refuse_what_is_not_there(properties, has_volume)
        # who asks once for the stresses of atoms does so at every step, after the forces: one pass for both
        self._stresses_wanted |= "stresses" in properties
        inputs = self._inputs(self.atoms)
        warn_of_range(self._watch, self._numbers, inputs)
        with_uncertainty = self.uncertainty or is_asked(properties)
        prediction, uncertainty = self.model.predict(
            inputs,
            uncertainty=with_uncertainty,
            stress=has_volume,
            atomic_virials=has_volume and self._stresses_wanted,
        )
        energy = prediction.energy.item()
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "energies": prediction.atomic_energies.cpu().numpy(),
            "forces": prediction.forces.cpu().numpy(),
        }
        if prediction.stress is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(prediction.stress[0].cpu().numpy())
        if prediction.atomic_virials is not None:
            stresses = -prediction.atomic_virials.cpu().numpy() / self.atoms.get_volume()
            self.results["stresses"] = full_3x3_to_voigt_6_stress(stresses)
        if prediction.dipole is not None and not self.atoms.pbc.any():
            self.results["dipole"] = prediction.dipole[0].cpu().numpy()
        if with_uncertainty:
            self.results |= uncertain_results(uncertainty)

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """What differs from the last calculation, bit by bit; called by ASE several times per step.

        That of ASE compares with tolerances, which takes as long as kernels on a molecule, and looks at charges and magnetic moments,
        which no result depends on.
        """
        if self.atoms is None:
            return list(all_changes)
        here, there = ((a.positions, a.numbers, a.cell.array, a.pbc) for a in (self.atoms, atoms))
        names = ("positions", "numbers", "cell", "pbc")
        return [name for name, a, b in zip(names, here, there, strict=True) if not np.array_equal(a, b)]

    def get_descriptors(self, atoms: Atoms | None = None, kind: str = "norm") -> np.ndarray:
        """Features of atoms before the readout, as numbers that no rotation and no inversion changes.

        Args:
            atoms: the structure; that of the last calculation if None.
            kind: how features of l > 0 enter: their lengths ("norm"), or products ("power", "bispectrum"); see nn.Invariants. The last
                layer of many networks has scalars only, with which all kinds are the same.

        Returns:
            (atoms, invariants), in the dtype of the network.

        Raises:
            ValueError: if there are no atoms, kind is another word, or the atoms contain a species that the model does not know.
        """
        atoms = self.atoms if atoms is None else atoms
        if atoms is None:
            raise ValueError(
                "EqgraphCalculator: expected atoms, got none, and nothing was calculated before. Pass the atoms."
            )
        invariants = Invariants(self.potential.network.irreps_out, kind)
        with torch.no_grad():
            data = from_ase(atoms, self.potential.cutoff).to(self.potential.shifts.device)
            features = self.potential.encode(data)
            return invariants.to(features)(features).cpu().numpy()

    def _inputs(self, atoms: Atoms) -> PotentialInputs:
        device = self.potential.shifts.device
        if self._numbers is None or not np.array_equal(self._numbers, atoms.numbers):
            self._species = self.potential.species_index(torch.tensor(atoms.numbers, device=device))
            self._batch, self._numbers = torch.zeros_like(self._species), atoms.numbers.copy()
        cell, pbc = torch.from_numpy(atoms.cell.array), torch.from_numpy(atoms.pbc)
        edge_vec, edges = self.neighbors.update(torch.from_numpy(atoms.positions), cell, pbc)
        volume = torch.tensor([abs(np.linalg.det(atoms.cell.array))], device=device)
        periodic = pbc.any().view(1).to(device) if self.potential.predicts_dipole else None
        return PotentialInputs(self._species, edge_vec.requires_grad_(), edges, self._batch, volume, periodic)

    def _refuse_what_is_not_there(self, properties: Sequence[str], has_volume: bool) -> None:
        for name in ("stress", "stresses"):
            if name in properties and not has_volume:
                raise PropertyNotImplementedError(
                    f"EqgraphCalculator: expected three cell vectors for the {name}, got a cell of rank {self.atoms.cell.rank}. Give "
                    "the atoms a cell."
                )
        if "dipole" in properties and self.atoms.pbc.any():
            raise PropertyNotImplementedError(
                f"EqgraphCalculator: expected a structure without periodicity for the dipole moment, got pbc="
                f"{self.atoms.pbc.tolist()}. It is no property of a periodic structure."
            )
