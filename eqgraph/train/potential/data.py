"""The structures of a training: read, split, turned into graphs, and the numbers that the model takes from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ase.data import chemical_symbols
from lightning.pytorch import LightningDataModule
from torch_geometric.loader import DataLoader

from eqgraph.check import CheckReport
from eqgraph.datasets import AtomicEnergies, AtomsDataset, Frame, atomic_energies, data_hash, read_frames

from ..epoch_shuffle import EpochBatches, EpochShuffle
from .config import Config
from .evaluate import require_known_species
from .frame_weights import require_config_types, require_elements, weighted


def read_labelled(paths: Sequence[Path], keys: dict[str, str], *needed: Sequence[str]) -> list[Frame]:
    """All structures of some files; labels may be missing here and there, but not everywhere.

    Args:
        paths: files that ASE reads.
        keys: energy_key, forces_key, stress_key, virial_key, dipole_key.
        *needed: lists of "energy", "forces", "stress", "dipole": of each list at least one structure must have at least one label.

    Raises:
        ValueError: if no structure has such a label; lists the keys that are there. And for the reasons of read_frames.
    """
    frames = [frame for path in paths for frame in read_frames(path, **keys, require=())]
    molecules = [frame for frame in frames if not frame.is_isolated_atom]
    for names in needed:
        if all(getattr(frame, name) is None for name in names for frame in molecules or frames):
            for path in paths:
                read_frames(path, **keys, require=names)  # raises, unless there are isolated atoms alone
    return frames


def _read_isolated_atoms(path: Path, keys: dict[str, str]) -> list[Frame]:
    frames = read_frames(path, **keys, require=())
    if others := [frame for frame in frames if not frame.is_isolated_atom]:
        raise ValueError(
            f"data.isolated_atoms: expected isolated atoms alone in '{path}' (one atom, no image within 8 Å or a config_type with "
            f"'isolated' in it), came {len(others)} other structures of {len(frames)}, the first is "
            f"{others[0].atoms.symbols.get_chemical_formula()} in frame {others[0].index}. Remove them, or name another file."
        )
    return read_frames(path, **keys, require=["energy"])


class PotentialData(LightningDataModule):
    """Reads everything that a config names, before the training begins: what is wrong with the last test file is said at once.

    Single-atom structures among the training structures serve as isolated atoms (E0s) and are not trained on.

    Attributes:
        train, valid: AtomsDataset.
        order: of the training structures in training.
        test: name -> AtomsDataset.
        species: atomic numbers in the training structures, sorted.
        atomic_energies: atomic number -> E0 in eV.
        atomic_energies_source: how they were found.
        num_isolated_atoms: how many isolated atoms were recognized, in the training file and in that of isolated atoms.
        scale: in eV; rms of the force components (times 1 Å), or without forces that of the energy per atom.
        scale_source: which of the two.
        avg_num_neighbors: over the atoms of the training structures.
        check: what `eqgraph check` found in them, None if it was not asked.
        hash: of the training and validation structures and their labels.

    Args:
        config: what to read.

    Raises:
        ValueError, FileNotFoundError: if a file is missing or empty, a label is missing or not finite, an element is unknown.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.check: CheckReport | None = None
        data, cutoff = config.data, config.model.cutoff
        needed = [[name] for name in dict.fromkeys("stress" if name == "virial" else name for name in config.loss.used)]
        keys = data.label_keys
        frames = read_labelled(data.train, keys, *needed)
        isolated = [frame for frame in frames if frame.is_isolated_atom]
        frames = [frame for frame in frames if not frame.is_isolated_atom]
        if not frames:
            raise ValueError(
                f"data.train: expected structures of several atoms, came {len(isolated)} isolated atoms alone. Add some."
            )
        if data.isolated_atoms is not None:
            isolated += _read_isolated_atoms(data.isolated_atoms, keys)
        self.num_isolated_atoms = len(isolated)
        if isinstance(data.valid, Path):
            train, valid = frames, read_labelled([data.valid], keys, *needed)
        else:
            train, valid = self._split(frames)
        require_config_types(train, config.loss.config_types)
        train, valid = ([weighted(frame, config.loss.config_types) for frame in part] for part in (train, valid))
        self.train, self.valid = AtomsDataset(train, cutoff), AtomsDataset(valid, cutoff)
        self.test = {
            name: AtomsDataset(read_labelled([path], keys, ["energy", "forces"]), cutoff)
            for name, path in data.test.items()
        }
        self.species = self.train.species
        require_elements(self.species, config.loss.forces.elements)
        require_known_species(self.valid, self.species, "data.valid")
        for name, dataset in self.test.items():
            require_known_species(dataset, self.species, f"data.test.{name}")
        shifts, self.atomic_energies_source = self._atomic_energies(isolated)
        self.atomic_energies = {number: shifts[number] for number in self.species}
        self.hash = data_hash([*train, *valid])
        self.avg_num_neighbors = self._avg_num_neighbors()
        self.scale, self.scale_source = self._scale()
        self.order = EpochShuffle(len(self.train), config.training.seed)

    @property
    def edges_per_step(self) -> float:
        """Edges of a mean batch."""
        return sum(data.num_edges for data in self.train) / len(self.train) * self.config.training.batch_size

    def train_dataloader(self) -> DataLoader:
        training = self.config.training
        batches = EpochBatches(self.order, training.batch_size)
        # its own generator: a loader draws a number for its workers, which would change those of the training
        return DataLoader(self.train, batch_sampler=batches, generator=torch.Generator().manual_seed(training.seed))

    def val_dataloader(self) -> DataLoader:
        training = self.config.training
        generator = torch.Generator().manual_seed(training.seed)
        return DataLoader(self.valid, training.valid_batch_size, generator=generator)

    @property
    def named_atomic_energies(self) -> dict[str, float]:
        """Element symbol -> E0 in eV."""
        return {chemical_symbols[number]: self.atomic_energies[number] for number in self.species}

    def _split(self, frames: list[Frame]) -> tuple[list[Frame], list[Frame]]:
        """Hold out structures at random, as the seed says; both parts keep the order of the file."""
        valid = self.config.data.valid
        count = valid if isinstance(valid, int) else max(1, round(valid * len(frames)))
        if count >= len(frames):
            raise ValueError(
                f"Expected data.valid to leave training structures, came {valid} of {len(frames)} structures. "
                "Lower data.valid or add structures to data.train."
            )
        generator = torch.Generator().manual_seed(self.config.training.seed)
        held_out = set(torch.randperm(len(frames), generator=generator)[:count].tolist())
        train = [frame for index, frame in enumerate(frames) if index not in held_out]
        return train, [frames[index] for index in sorted(held_out)]

    def _atomic_energies(self, isolated: list[Frame]) -> AtomicEnergies:
        data, train = self.config.data, self.train.frames
        if data.isolated_atoms is not None and data.atomic_energies in ("auto", "isolated"):
            found = {int(frame.atoms.numbers[0]) for frame in isolated if frame.energy is not None}
            if missing := [chemical_symbols[number] for number in self.species if number not in found]:
                raise ValueError(
                    f"data.isolated_atoms: expected an isolated atom with an energy for every element of data.train, came none of "
                    f"{', '.join(missing)} in '{data.isolated_atoms}'. Add them, or choose another data.atomic_energies."
                )
        no_energy = all(frame.energy is None for frame in (*train, *isolated))
        if no_energy and "energy" not in self.config.loss.used and data.atomic_energies == "auto":
            source = "zero: no structure has an energy, so the origin of the model's energies is arbitrary"
            return AtomicEnergies(dict.fromkeys(self.species, 0.0), source)
        return atomic_energies(train, data.atomic_energies, isolated)

    def _avg_num_neighbors(self) -> float:
        if not any(data.num_edges for data in self.train):
            raise ValueError(
                f"Expected atoms closer than model.cutoff = {self.train.cutoff:g} Å, came none in the training structures. "
                "Raise model.cutoff, and look whether the positions are in Å."
            )
        return self.train.avg_num_neighbors

    def _scale(self) -> tuple[float, str]:
        source, scale = "rms of the training forces", self.train.forces_rms
        if math.isnan(scale):
            source = "standard deviation of the training energies per atom"
            binding = [
                (frame.energy - sum(self.atomic_energies[number] for number in frame.atoms.numbers.tolist()))
                / len(frame.atoms)
                for frame in self.train.frames
                if frame.energy is not None
            ]
            scale = float(np.std(binding))
        if not scale > 0:
            raise ValueError(
                f"Expected labels that differ, came {scale:g} as {source}. Check the labels in data.train."
            )
        return scale, source
