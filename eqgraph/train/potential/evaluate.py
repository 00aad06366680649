"""A potential's predictions for labelled structures, and their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from torch_geometric.loader import DataLoader

from eqgraph.datasets import Frame, GraphDataset, with_progress, write_frames
from eqgraph.models import Potential
from eqgraph.ops import segment_sum
from eqgraph.uncertainty import Calibration, UncertainPotential, calibration

from .metrics import PotentialErrors


@dataclass(frozen=True)
class Evaluation:
    """Predictions and labels (NaN where there is none) of S structures with N atoms in all, as float64 arrays."""

    errors: PotentialErrors
    num_atoms: np.ndarray  # (S,)
    numbers: np.ndarray  # (N,) atomic numbers
    isolated_energy: np.ndarray  # (S,) sum of the E0s, eV
    energy: np.ndarray  # (S,) eV
    atomic_energies: np.ndarray  # (N,) eV
    forces: np.ndarray  # (N, 3) eV/Å
    stress: np.ndarray | None  # (S, 3, 3) eV/Å³
    dipole: np.ndarray | None  # (S, 3) e·Å
    energy_labels: np.ndarray
    forces_labels: np.ndarray
    stress_labels: np.ndarray
    dipole_labels: np.ndarray
    energy_uncertainty: np.ndarray | None = None  # (S,) standard deviation, eV; None if the model has none
    forces_uncertainty: np.ndarray | None = None  # (N, 3) eV/Å; of committees

    @property
    def calibrations(self) -> list[Calibration]:
        """Uncertainties against errors, in meV/atom and meV/Å; of what has labels."""
        found = []
        if self.energy_uncertainty is not None:
            errors, deviations = self.energy - self.energy_labels, self.energy_uncertainty
            scale = 1000 / self.num_atoms
            found.append(calibration("energy per atom", "meV/atom", scale * errors, scale * deviations))
        if self.forces_uncertainty is not None:
            errors = 1000 * (self.forces - self.forces_labels).ravel()
            found.append(calibration("forces", "meV/Å", errors, 1000 * self.forces_uncertainty.ravel()))
        return [each for each in found if each is not None]


def evaluate(
    potential: Potential | UncertainPotential,
    dataset: GraphDataset,
    batch_size: int = 32,
    stress: bool | None = None,
    progress: bool = False,
) -> Evaluation:
    """Predict all structures of a dataset, on the device that the potential is on.

    Args:
        potential: the model; an UncertainPotential says how uncertain its predictions are.
        dataset: structures with labels.
        batch_size: structures per step; changes speed and memory only.
        stress: whether to predict stress too (NaN for structures whose cell has no volume); if None, where there are labels.
        progress: whether to show a progress bar if it takes longer than a second.

    Raises:
        ValueError: if a structure has an element that the potential does not know.
    """
    model = UncertainPotential.of(potential)
    potential = model.potential
    require_known_species(dataset, potential.species.tolist(), "evaluate")
    if stress is None:
        stress = dataset.table.num_labels("stress") > 0
    training = potential.training
    model.eval()
    device = potential.shifts.device
    errors = PotentialErrors()
    columns: dict[str, list[np.ndarray]] = {}
    try:
        loader = DataLoader(dataset, batch_size)
        for batch in with_progress(loader, "Evaluating") if progress else loader:
            batch = batch.to(device)
            prediction, uncertainty = model.predict(batch, forces=True, stress=stress)
            errors.update(prediction, batch)
            isolated = potential.shifts[potential.index_of_number[batch.atomic_numbers]]
            found = {
                "num_atoms": batch.batch.bincount(minlength=batch.num_graphs),
                "numbers": batch.atomic_numbers,
                "isolated_energy": segment_sum(isolated, batch.batch, batch.num_graphs),
                "energy": prediction.energy,
                "atomic_energies": prediction.atomic_energies,
                "forces": prediction.forces,
                "stress": prediction.stress,
                "dipole": prediction.dipole,
                "energy_labels": batch.energy,
                "forces_labels": batch.forces,
                "stress_labels": batch.stress,
                "dipole_labels": batch.dipole,
                "energy_uncertainty": None if uncertainty is None else uncertainty.energy,
                "forces_uncertainty": None if uncertainty is None else uncertainty.forces,
            }
            for name, tensor in found.items():
                if tensor is not None:
                    columns.setdefault(name, []).append(tensor.detach().cpu().numpy())
    finally:
        model.train(training)
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Evaluation(errors=errors, **{"stress": None, "dipole": None} | arrays)


def require_known_species(dataset: GraphDataset, species: list[int], name: str) -> None:
    """Refuse structures with elements that are not among `species` (atomic numbers).

    Raises:
        ValueError: names the first such frame and its unknown elements.
    """
    beyond = dataset.table.rows_beyond(species)
    if len(beyond):
        first = dataset.table.select(beyond[:1])
        unknown = [number for number in first.species if number not in species]
        known = ", ".join(chemical_symbols[number] for number in species)
        raise ValueError(
            f"{name}: expected only elements that the model is trained on ({known}), came "
            f"{', '.join(chemical_symbols[number] for number in unknown)} in {dataset.place(int(beyond[0]))}. "
            "Remove such frames, or train on data that has these elements."
        )


def write_predictions(path: str | Path, frames: Sequence[Frame], evaluation: Evaluation) -> None:
    """Write the structures as extended XYZ with pred_energy [eV], pred_forces [eV/Å] and, where there is one, pred_stress [eV/Å³],
    pred_dipole [e·Å], pred_energy_uncertainty [eV] and pred_forces_uncertainty [eV/Å].

    The labels that the structures had stay beside the predictions. The file appears complete or not at all.
    """
    uncertainty = evaluation.energy_uncertainty
    write_frames(
        path,
        frames,
        energies=evaluation.energy.tolist(),
        forces=_by_structure(evaluation.forces, evaluation),
        stresses=_known(evaluation.stress),
        dipoles=_known(evaluation.dipole),
        energy_uncertainties=None if uncertainty is None else uncertainty.tolist(),
        forces_uncertainties=_by_structure(evaluation.forces_uncertainty, evaluation),
    )


def _by_structure(values: np.ndarray | None, evaluation: Evaluation) -> list[np.ndarray] | None:
    return None if values is None else np.split(values, np.cumsum(evaluation.num_atoms)[:-1])


def _known(values: np.ndarray | None) -> list[np.ndarray | None] | None:
    """One by one; None for structures that have no such property (no volume, or periodic)."""
    return None if values is None else [value if np.isfinite(value).all() else None for value in values]
