"""A potential's predictions for labelled structures, and their errors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ase
import ase.io
import numpy as np
import torch
from ase.data import chemical_symbols
from torch_geometric.loader import DataLoader

from eqgraph.datasets import AtomsDataset
from eqgraph.models import Potential

from .metrics import PotentialErrors
from .replacing import replacing


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
    energy_labels: np.ndarray
    forces_labels: np.ndarray
    stress_labels: np.ndarray


def evaluate(
    potential: Potential, dataset: AtomsDataset, batch_size: int = 32, stress: bool = False
) -> Evaluation:
    """Predict all structures of a dataset, on the device that the potential is on.

    Args:
        potential: the model.
        dataset: structures with labels.
        batch_size: structures per step; changes speed and memory only.
        stress: whether to predict stress too (NaN for structures whose cell has no volume).

    Raises:
        ValueError: if a structure has an element that the potential does not know.
    """
    require_known_species(dataset, potential.species.tolist(), "the structures")
    training = potential.training
    potential.eval()
    device = potential.shifts.device
    errors = PotentialErrors()
    columns: dict[str, list[np.ndarray]] = {}
    try:
        for batch in DataLoader(dataset, batch_size):
            batch = batch.to(device)
            prediction = potential(batch, forces=True, stress=stress)
            errors.update(prediction, batch)
            isolated = potential.shifts[torch.searchsorted(potential.species, batch.atomic_numbers)]
            found = {
                "num_atoms": batch.batch.bincount(minlength=batch.num_graphs),
                "numbers": batch.atomic_numbers,
                "isolated_energy": isolated.new_zeros(batch.num_graphs).index_add(0, batch.batch, isolated),
                "energy": prediction.energy,
                "atomic_energies": prediction.atomic_energies,
                "forces": prediction.forces,
                "stress": prediction.stress,
                "energy_labels": batch.energy,
                "forces_labels": batch.forces,
                "stress_labels": batch.stress,
            }
            for name, tensor in found.items():
                if tensor is not None:
                    columns.setdefault(name, []).append(tensor.detach().cpu().numpy())
    finally:
        potential.train(training)
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Evaluation(errors=errors, stress=arrays.pop("stress", None), **arrays)


def require_known_species(dataset: AtomsDataset, species: list[int], name: str) -> None:
    """Refuse structures with elements that are not among `species` (atomic numbers).

    Raises:
        ValueError: names the first such structure and its unknown elements.
    """
    for index, data in enumerate(dataset):
        unknown = sorted(set(data.atomic_numbers.tolist()) - set(species))
        if unknown:
            known = ", ".join(chemical_symbols[number] for number in species)
            raise ValueError(
                f"Expected structures of the elements {known} that the model is trained on, came "
                f"{', '.join(chemical_symbols[number] for number in unknown)} in structure {index} of {name}. "
                "Remove such structures, or train on data that has these elements."
            )


def write_predictions(path: str | Path, frames: list[ase.Atoms], evaluation: Evaluation) -> None:
    """Write the structures as extended XYZ with pred_energy [eV], pred_forces [eV/Å] and, where there is one, pred_stress [eV/Å³].

    The labels that the structures had stay beside the predictions. The file appears complete or not at all.
    """
    ends = np.cumsum(evaluation.num_atoms)
    written = []
    for index, (atoms, end, length) in enumerate(zip(frames, ends, evaluation.num_atoms, strict=True)):
        atoms = atoms.copy()
        atoms.info["pred_energy"] = float(evaluation.energy[index])
        atoms.arrays["pred_forces"] = evaluation.forces[end - length : end]
        if evaluation.stress is not None and np.isfinite(evaluation.stress[index]).all():
            atoms.info["pred_stress"] = evaluation.stress[index]
        written.append(atoms)
    with replacing(path) as temporary:
        ase.io.write(temporary, written, format="extxyz")
