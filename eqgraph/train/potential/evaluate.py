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


def evaluate(
    potential: Potential,
    dataset: GraphDataset,
    batch_size: int = 32,
    stress: bool | None = None,
    progress: bool = False,
) -> Evaluation:
    """Predict all structures of a dataset, on the device that the potential is on.

    Args:
        potential: the model.
        dataset: structures with labels.
        batch_size: structures per step; changes speed and memory only.
        stress: whether to predict stress too (NaN for structures whose cell has no volume); if None, where there are labels.
        progress: whether to show a progress bar if it takes longer than a second.

    Raises:
        ValueError: if a structure has an element that the potential does not know.
    """
    require_known_species(dataset, potential.species.tolist(), "evaluate")
    if stress is None:
        stress = dataset.table.num_labels("stress") > 0
    training = potential.training
    potential.eval()
    device = potential.shifts.device
    errors = PotentialErrors()
    columns: dict[str, list[np.ndarray]] = {}
    try:
        loader = DataLoader(dataset, batch_size)
        for batch in with_progress(loader, "Evaluating") if progress else loader:
            batch = batch.to(device)
            prediction = potential(batch, forces=True, stress=stress)
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
            }
            for name, tensor in found.items():
                if tensor is not None:
                    columns.setdefault(name, []).append(tensor.detach().cpu().numpy())
    finally:
        potential.train(training)
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Evaluation(errors=errors, stress=arrays.pop("stress", None), dipole=arrays.pop("dipole", None), **arrays)


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
    """Write the structures as extended XYZ with pred_energy [eV], pred_forces [eV/Å] and, where there is one, pred_stress [eV/Å³] and
    pred_dipole [e·Å].

    The labels that the structures had stay beside the predictions. The file appears complete or not at all.
    """
    write_frames(
        path,
        frames,
        energies=evaluation.energy.tolist(),
        forces=np.split(evaluation.forces, np.cumsum(evaluation.num_atoms)[:-1]),
        stresses=_known(evaluation.stress),
        dipoles=_known(evaluation.dipole),
    )


def _known(values: np.ndarray | None) -> list[np.ndarray | None] | None:
    """One by one; None for structures that have no such property (no volume, or periodic)."""
    return None if values is None else [value if np.isfinite(value).all() else None for value in values]
