"""Fine-tuning: what a training that starts from a trained potential takes from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from ase.data import chemical_symbols

from eqgraph.datasets import AtomicEnergies, Frame, GraphDataset
from eqgraph.models import Potential, extend_species, load_potential

from .config import Config
from .evaluate import evaluate


class InitialModel:
    """A trained potential that a training starts from.

    Args:
        config: with training.init_from.
        species: atomic numbers of the training structures.

    Attributes:
        potential: knows the elements of the file and of the training structures, in the dtype of the training.
        path: of the file.
        sha256: checksum of its weights.
        energies: atomic number -> E0 [eV] in the file.
        scale: of the energies [eV], a mean over the elements.
        avg_num_neighbors: by which the convolutions divide.
        new_species: atomic numbers that the file does not know.
    """

    def __init__(self, config: Config, species: Sequence[int]) -> None:
        self.path = config.training.init_from
        potential, header = load_potential(self.path)
        self.sha256 = header["sha256"]
        buffers = dict(potential.network.named_buffers())
        self.avg_num_neighbors = next(
            float(value) for name, value in buffers.items() if name.endswith("avg_num_neighbors")
        )
        self.scale = float(potential.scales.mean())
        self.energies = dict(zip(potential.species.tolist(), potential.shifts.tolist(), strict=True))
        self.new_species = [number for number in species if number not in self.energies]
        if self.new_species:
            potential = extend_species(potential, dict.fromkeys(self.new_species, 0.0))
        potential.network.to(getattr(torch, config.training.dtype))
        self.potential = potential

    def refit(self, dataset: GraphDataset) -> AtomicEnergies:
        """E0s for labels of another level of theory: those of the file, changed as little as makes the model fit the energies best.

        E0 = E0_file + Δ, where Δ has the least norm of those with the least Σ_structures ((E - E_model - Σ_atoms Δ) / num_atoms)².
        Where compositions do not tell the elements apart, Δ is spread over them; energies of these compositions are the same.

        Raises:
            ValueError: if no structure has an energy.
        """
        evaluation = evaluate(self.potential, dataset)
        labelled = np.isfinite(evaluation.energy_labels)
        if not labelled.any():
            raise ValueError(
                f"training.init_from: expected energies to fit the E0s to, came {len(labelled)} training structures without one. Set "
                "data.atomic_energies to {symbol: eV} or 'isolated'."
            )
        numbers = np.array(sorted({*self.energies, *self.new_species}))
        counts = dataset.table.counts(numbers.tolist()).astype(float)
        counts, size = counts[labelled], evaluation.num_atoms[labelled]
        residual = (evaluation.energy_labels - evaluation.energy)[labelled] / size
        changes = np.linalg.lstsq(counts / size[:, None], residual, rcond=1e-9)[0]
        before, after = residual, residual - counts / size[:, None] @ changes
        shifts = {
            number: self.energies.get(number, 0.0) + change
            for number, change in zip(numbers.tolist(), changes.tolist(), strict=True)
        }
        rms = [1e3 * float(np.sqrt(np.square(values).mean())) for values in (before, after)]
        fall = f"the error of the model fell from {rms[0]:.1f} to {rms[1]:.1f} meV/atom"
        return AtomicEnergies(shifts, f"of the initial model, refitted to {labelled.sum()} structures: {fall}")

    @property
    def species(self) -> list[int]:
        """Atomic numbers that the potential knows, sorted."""
        return self.potential.species.tolist()

    def replayed(self, frames: Sequence[Frame], shifts: Mapping[int, float]) -> list[Frame]:
        """Structures with labels of the level of theory of the file, for a training with other E0s [eV].

        Their energies keep their distance to the isolated atoms: E → E + Σ_atoms (E0 - E0_file).

        Raises:
            ValueError: if one has an element that the file does not know.
        """
        replayed = []
        for frame in frames:
            numbers = frame.atoms.numbers.tolist()
            if unknown := sorted(set(numbers) - set(self.energies)):
                raise ValueError(
                    f"data.replay: expected structures of what the initial model was trained on, came "
                    f"{', '.join(chemical_symbols[number] for number in unknown)} in {frame.place}. Move it to data.train."
                )
            if frame.energy is not None:
                change = sum(shifts[number] - self.energies[number] for number in numbers)
                frame = dataclasses.replace(frame, energy=frame.energy + change)
            replayed.append(frame)
        return replayed

    def start(self, shifts: Mapping[int, float]) -> Potential:
        """The potential with these E0s [eV], ready to train."""
        for index, number in enumerate(self.species):
            self.potential.shifts[index] = shifts[number]
        return self.potential.train()

    def __str__(self) -> str:
        added = ", ".join(chemical_symbols[number] for number in self.new_species)
        return f"{self.path}{f', extended by {added}' if added else ''}"
