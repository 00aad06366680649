"""The structures of a training: read, split, turned into graphs, and the numbers that the model takes from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ase.data import chemical_symbols
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from eqgraph.check import CheckReport
from eqgraph.datasets import (
    AtomicEnergies,
    AtomsDataset,
    Frame,
    FrameTable,
    GraphDataset,
    JoinedGraphs,
    atomic_energies,
    binding_energies,
    read_frames,
)
from eqgraph.launch import launched

from ..edge_batches import EdgeBatches
from ..epoch_shuffle import EpochBatches, EpochShuffle
from .config import Config
from .evaluate import require_known_species
from .frame_weights import require_config_types, require_elements
from .graph_loader import GraphLoader
from .initial_model import InitialModel
from .structures import Structures, read_labelled, read_structures


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
        train, valid: GraphDataset, in memory or not.
        order: of the training structures in training, or of the batches capped by edges.
        test: name -> GraphDataset.
        initial: the model that the training starts from, None if it starts from random weights.
        replay: structures that model was trained on, a part of train; None if there are none.
        species: atomic numbers in the training structures, and those that the initial model knows, sorted.
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
        self.launch = launched()
        data, cutoff = config.data, config.model.cutoff
        needed = [[name] for name in dict.fromkeys("stress" if name == "virial" else name for name in config.loss.used)]
        keys, config_types = data.label_keys, config.loss.config_types
        structures = self._read(data.train, keys, *needed)
        isolated = [structures.frame(row) for row in np.flatnonzero(structures.is_isolated).tolist()]
        rows = np.flatnonzero(~structures.is_isolated)
        if not len(rows):
            raise ValueError(
                f"data.train: expected structures of several atoms, came {len(isolated)} isolated atoms alone. Add some."
            )
        if data.isolated_atoms is not None:
            isolated += _read_isolated_atoms(data.isolated_atoms, keys)
        self.num_isolated_atoms = len(isolated)
        if isinstance(data.valid, Path):
            train = rows
            valid = self._read([data.valid], keys, *needed).dataset(cutoff, None, config_types)
        else:
            train, held_out = self._split(rows)
            valid = structures.dataset(cutoff, held_out, config_types)
        if config_types:
            require_config_types(structures.config_types(), config_types)
        self.train: GraphDataset = structures.dataset(cutoff, train, config_types)
        self.valid: GraphDataset = valid
        self.test = {
            name: self._read([path], keys, ["energy", "forces"]).dataset(cutoff) for name, path in data.test.items()
        }
        self.initial = InitialModel(config, self.train.species) if config.training.init_from else None
        self.species = self.initial.species if self.initial else self.train.species
        require_elements(self.train.species, config.loss.forces.elements)
        require_known_species(self.valid, self.species, "data.valid")
        for name, dataset in self.test.items():
            require_known_species(dataset, self.species, f"data.test.{name}")
        shifts, self.atomic_energies_source = self._atomic_energies(isolated)
        self.atomic_energies = {number: shifts[number] for number in self.species}
        self.replay = self._replay(keys)
        self.avg_num_neighbors = self._avg_num_neighbors()
        self.scale, self.scale_source = self._scale()
        if self.replay:
            self.train = JoinedGraphs([self.train, self.replay])
        self.hash = FrameTable.concatenate([self.train.table, self.valid.table]).data_hash
        self.order = self._order()

    @property
    def edges_per_step(self) -> float:
        """Edges of a mean batch of this process."""
        training, num_edges = self.config.training, self.train.table.num_edges
        if training.batch_edges is not None:
            return float(num_edges.sum() / len(self._batches))
        return float(num_edges.mean() * training.batch_size / self.launch.world)

    def train_dataloader(self) -> DataLoader:
        training = self.config.training
        return GraphLoader(self.train, training.workers, generator=self._generator(), batch_sampler=self._batches)

    def val_dataloader(self) -> DataLoader:
        training = self.config.training
        share, size = range(self.launch.rank, len(self.valid), self.launch.world), training.valid_batch_size
        batches = [list(share[start : start + size]) for start in range(0, len(share), size)]
        # a process without a share takes part all the same: the others wait for it
        return GraphLoader(self.valid, training.workers, generator=self._generator(), batch_sampler=batches or [[]])

    def _generator(self) -> torch.Generator:
        """A loader draws a number for its workers, which would change those of the training."""
        return torch.Generator().manual_seed(self.config.training.seed)

    @property
    def _batches(self) -> EdgeBatches | EpochBatches:
        if isinstance(self.order, EdgeBatches):
            return self.order
        return EpochBatches(self.order, self.config.training.batch_size, self.launch.rank, self.launch.world)

    def _order(self) -> EdgeBatches | EpochShuffle:
        training, table = self.config.training, self.train.table
        if training.batch_edges is None:
            return EpochShuffle(len(self.train), training.seed)
        launch = self.launch
        return EdgeBatches(table.num_edges, training.batch_edges, training.seed, table.index, launch.rank, launch.world)

    def _read(self, paths: Sequence[Path], keys: dict[str, str], *needed: Sequence[str]) -> Structures:
        config = self.config
        return read_structures(
            paths, keys, config.model.cutoff, config.data.in_memory, config.training.workers, *needed
        )

    @property
    def named_atomic_energies(self) -> dict[str, float]:
        """Element symbol -> E0 in eV."""
        return {chemical_symbols[number]: self.atomic_energies[number] for number in self.species}

    def _split(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hold out structures at random, as the seed says; both parts keep the order of the file."""
        valid = self.config.data.valid
        count = valid if isinstance(valid, int) else max(1, round(valid * len(rows)))
        if count >= len(rows):
            raise ValueError(
                f"Expected data.valid to leave training structures, came {valid} of {len(rows)} structures. "
                "Lower data.valid or add structures to data.train."
            )
        generator = torch.Generator().manual_seed(self.config.training.seed_of_split)
        held_out = np.zeros(len(rows), dtype=bool)
        held_out[torch.randperm(len(rows), generator=generator)[:count].numpy()] = True
        return rows[~held_out], rows[held_out]

    def _atomic_energies(self, isolated: list[Frame]) -> AtomicEnergies:
        data, train = self.config.data, self.train.table
        if data.isolated_atoms is not None and data.atomic_energies in ("auto", "isolated"):
            found = {int(frame.atoms.numbers[0]) for frame in isolated if frame.energy is not None}
            if missing := [chemical_symbols[number] for number in self.species if number not in found]:
                raise ValueError(
                    f"data.isolated_atoms: expected an isolated atom with an energy for every element of data.train, came none of "
                    f"{', '.join(missing)} in '{data.isolated_atoms}'. Add them, or choose another data.atomic_energies."
                )
        no_energy = not train.num_labels("energy") and all(frame.energy is None for frame in isolated)
        if no_energy and "energy" not in self.config.loss.used and data.atomic_energies == "auto":
            if self.initial:
                return AtomicEnergies(dict.fromkeys(self.species, 0.0) | self.initial.energies, "of the initial model")
            source = "zero: no structure has an energy, so the origin of the model's energies is arbitrary"
            return AtomicEnergies(dict.fromkeys(self.species, 0.0), source)
        if self.initial is None:
            return atomic_energies(train, data.atomic_energies, isolated)
        method = data.atomic_energies
        with_isolated = {int(frame.atoms.numbers[0]) for frame in isolated if frame.energy is not None}
        if method == "refit" or (method == "auto" and not with_isolated >= set(train.species)):
            return self.initial.refit(self.train)
        shifts, source = atomic_energies(train, "isolated" if method == "auto" else method, isolated)
        return AtomicEnergies(self.initial.energies | shifts, source)

    def _replay(self, keys: dict[str, str]) -> AtomsDataset | None:
        """Structures of an earlier training."""
        config = self.config
        if not config.data.replay:
            return None
        frames = [frame for frame in read_labelled(config.data.replay, keys) if not frame.is_isolated_atom]
        frames = self.initial.replayed(frames, self.atomic_energies)
        return AtomsDataset(frames, config.model.cutoff, config.loss.config_types)

    def _avg_num_neighbors(self) -> float:
        if not self.train.table.num_edges.any():
            raise ValueError(
                f"Expected atoms closer than model.cutoff = {self.train.cutoff:g} Å, came none in the training structures. "
                "Raise model.cutoff, and look whether the positions are in Å."
            )
        if self.initial:
            return self.initial.avg_num_neighbors
        return self.train.avg_num_neighbors

    def _scale(self) -> tuple[float, str]:
        if self.initial:
            return self.initial.scale, "of the initial model"
        source, scale = "rms of the training forces", self.train.forces_rms
        if math.isnan(scale):
            source = "standard deviation of the training energies per atom"
            binding = binding_energies(self.train.table, self.atomic_energies)
            scale = float(np.std(binding[self.train.table.rows_with("energy")]))
        if not scale > 0:
            raise ValueError(
                f"Expected labels that differ, came {scale:g} as {source}. Check the labels in data.train."
            )
        return scale, source
