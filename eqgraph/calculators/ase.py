"""The potential as an ASE calculator."""

import os
from collections.abc import Sequence

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from eqgraph.graph import from_ase
from eqgraph.models import Potential
from eqgraph.uncertainty import RangeWatch, UncertainPotential

from .trust import is_asked, own_model, uncertain_properties, uncertain_results, warn_of_range


class EqgraphCalculator(Calculator):
    """Energy [eV], forces [eV/Å], stress [eV/Å³] and per-atom energies [eV] for ASE.

    Args:
        model: a model file (*.eqg), or a Potential or UncertainPotential, which is copied; of a committee (the directory of a run with
            several seeds, or a Committee) predictions are means.
        device: where to compute; that of a given Potential, or the CPU for a file, if None.
        dtype: floating-point type of the network ("float32" or "float64"), as stored if None.
        uncertainty: whether every calculation has the results energy_uncertainty [eV], energies_uncertainty (of each atom's
            contribution, eV) and, of committees, forces_uncertainty [eV/Å], if the model knows them; otherwise they are computed when
            asked for: calc.get_property("energy_uncertainty"). They are standard deviations, which ASE does not write to files.

    Warns:
        UserWarning: once for each pair of elements that is closer than in training, and for each element that has more neighbors, if
            the model file says what was trained on.

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
        model: str | os.PathLike | Potential | UncertainPotential,
        device: torch.device | str | None = None,
        dtype: str | None = None,
        uncertainty: bool = False,
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
        self.implemented_properties = (*self.implemented_properties, *uncertain_properties(self.model))

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
        data = from_ase(self.atoms, self.potential.cutoff)
        warn_of_range(self._watch, data)
        data = data.to(self.potential.shifts.device)
        with_uncertainty = self.uncertainty or is_asked(properties)
        prediction, uncertainty = self.model.predict(
            data, uncertainty=with_uncertainty, forces=True, stress="stress" in properties
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
        if with_uncertainty:
            self.results |= uncertain_results(uncertainty)
