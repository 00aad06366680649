"""The structures of a training: read, split, turned into graphs, and the numbers that the model takes from them."""

from __future__ import annotations

import torch
from ase.data import chemical_symbols
from lightning.pytorch import LightningDataModule
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from eqgraph.datasets import AtomsDataset, Frame, atomic_energies, data_hash, read_frames

from .config import Config
from .evaluate import require_known_species


class EpochShuffle(torch.utils.data.Sampler[int]):
    """A new order in every epoch that depends on the seed and the epoch alone, so that a resumed run goes on with the same ones.

    Args:
        length: number of structures.
        seed: of the orders.

    Example:
        >>> order = EpochShuffle(4, seed=0)
        >>> first = list(order)
        >>> order.set_epoch(1)
        >>> sorted(order) == sorted(first), list(order) == first
        (True, False)
    """

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before every epoch."""
        self.epoch = epoch

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return iter(torch.randperm(self.length, generator=generator).tolist())

    def __len__(self) -> int:
        return self.length


class PotentialData(LightningDataModule):
    """Reads everything that a config names, before the training begins: what is wrong with the last test file is said at once.

    Single-atom structures among the training structures serve as isolated atoms (E0s) and are not trained on.

    Attributes:
        train, valid: AtomsDataset.
        test: name -> AtomsDataset.
        species: atomic numbers in the training structures, sorted.
        atomic_energies: atomic number -> E0 in eV.
        atomic_energies_source: how they were found.
        scale: in eV; rms of the force components (times 1 Å), or without forces that of the energy per atom.
        scale_source: which of the two.
        avg_num_neighbors: over the atoms of the training structures.
        hash: of the training and validation structures and their labels.

    Args:
        config: what to read.

    Raises:
        ValueError, FileNotFoundError: if a file is missing or empty, a label is missing or not finite, an element is unknown.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        require = tuple(name for name in ("energy", "forces", "stress") if getattr(config.loss, name) > 0)
        keys = {name: getattr(config.data, f"{name}_key") for name in ("energy", "forces", "stress")}
        keys = {f"{name}_key": key for name, key in keys.items()}
        frames = [frame for path in config.data.train for frame in read_frames(path, **keys, require=require)]
        isolated = [frame for frame in frames if frame.is_isolated_atom]
        frames = [frame for frame in frames if not frame.is_isolated_atom]
        if config.data.isolated_atoms is not None:
            isolated += read_frames(config.data.isolated_atoms, **keys, require=("energy",))
        if isinstance(config.data.valid, int | float):
            train, valid = self._split(frames)
        else:
            train, valid = frames, read_frames(config.data.valid, **keys, require=require)
        self.species = sorted({number for frame in train for number in frame.atoms.numbers.tolist()})
        self.atomic_energies, self.atomic_energies_source = atomic_energies(
            train, config.data.atomic_energies, isolated
        )
        self.hash = data_hash(train + valid)
        self.train, self.valid = (AtomsDataset(part, config.model.cutoff) for part in (train, valid))
        self.test = {
            name: AtomsDataset(read_frames(path, **keys, require=()), config.model.cutoff)
            for name, path in config.data.test.items()
        }
        for name, dataset in {"data.valid": self.valid, **{f"data.test.{k}": v for k, v in self.test.items()}}.items():
            require_known_species(dataset, self.species, name)
        self._measure()

    def train_dataloader(self) -> DataLoader:
        training = self.config.training
        return DataLoader(self.train, training.batch_size, sampler=EpochShuffle(len(self.train), training.seed))

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.valid, self.config.training.valid_batch_size)

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

    def _measure(self) -> None:
        """Scale and average number of neighbors of the training structures."""
        num_atoms = sum(data.num_nodes for data in self.train)
        self.avg_num_neighbors = sum(data.edge_index.shape[1] for data in self.train) / num_atoms
        if self.avg_num_neighbors == 0:
            raise ValueError(
                f"Expected atoms closer than model.cutoff = {self.config.model.cutoff:g} Å, came none in the training structures. "
                "Raise model.cutoff, and look whether the positions are in Å."
            )
        forces = torch.cat([data.forces.flatten() for data in self.train])
        forces = forces[forces.isfinite()]
        if len(forces):
            self.scale, self.scale_source = forces.square().mean().sqrt().item(), "rms of the training forces"
        else:
            energies = torch.tensor([self._binding_energy_per_atom(data) for data in self.train], dtype=torch.float64)
            energies = energies[energies.isfinite()]
            self.scale = (energies - energies.mean()).square().mean().sqrt().item()
            self.scale_source = "standard deviation of the training energies per atom"
        if not self.scale > 0:
            raise ValueError(
                f"Expected labels that differ, came a {self.scale_source} of {self.scale}. Check the labels in data.train."
            )

    def _binding_energy_per_atom(self, data: Data) -> float:
        isolated = sum(self.atomic_energies[number] for number in data.atomic_numbers.tolist())
        return (data.energy.item() - isolated) / data.num_nodes
