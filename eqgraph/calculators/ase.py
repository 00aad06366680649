"""The potential as an ASE calculator."""

import copy
import os
from collections.abc import Sequence

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from eqgraph.graph import from_ase
from eqgraph.models import Potential, load_potential


class EqgraphCalculator(Calculator):
    """Energy [eV], forces [eV/Å], stress [eV/Å³] and per-atom energies [eV] for ASE.

    Args:
        model: a model file (*.eqg), or a Potential, which is copied.
        device: where to compute; that of a given Potential, or the CPU for a file, if None.
        dtype: floating-point type of the network ("float32" or "float64"), as stored if None.

    Raises:
        FileNotFoundError: if there is no model file.
        ValueError: if the file is no model, or, on use, if atoms contain a species that the model does not know.

    Example:
        >>> from ase.build import molecule
        >>> from eqgraph.models import build_potential
        >>> atoms = molecule("H2O")
        >>> atoms.calc = EqgraphCalculator(build_potential("nequip", {}, [1, 8], 4.0, [-13.6, -2041.8], [1.0, 1.0], 2.0))
        >>> atoms.get_forces().shape
        (3, 3)
    """

    implemented_properties = ("energy", "free_energy", "energies", "forces", "stress")

    def __init__(
        self,
        model: str | os.PathLike | Potential,
        device: torch.device | str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__()
        # a copy: the dtype, device and mode of the calculator are its own
        potential = copy.deepcopy(model) if isinstance(model, Potential) else load_potential(model)[0]
        if device is not None:
            potential = potential.to(device)
        if dtype is not None:
            if dtype not in ("float32", "float64"):
                raise ValueError(
                    f"EqgraphCalculator: expected dtype 'float32' or 'float64', got {dtype!r}. Choose one of these."
                )
            potential.network.to(getattr(torch, dtype))
        self.potential = potential.eval().requires_grad_(False)  # gradients of weights would be computed for nobody

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill self.results; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        has_volume = self.atoms.cell.rank == 3
        if "stress" in properties and not has_volume:
            raise PropertyNotImplementedError(
                f"EqgraphCalculator: expected three cell vectors for the stress, got a cell of rank {self.atoms.cell.rank}. Give the "
                "atoms a cell."
            )
        data = from_ase(self.atoms, self.potential.cutoff).to(self.potential.shifts.device)
        prediction = self.potential(data, forces=True, stress="stress" in properties)
        energy = prediction.energy.item()
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "energies": prediction.atomic_energies.cpu().numpy(),
            "forces": prediction.forces.cpu().numpy(),
        }
        if prediction.stress is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(prediction.stress[0].cpu().numpy())
