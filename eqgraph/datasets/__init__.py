"""Structures and their labels, from files and from memory, as graphs to train on."""

from .atomic_energies import AtomicEnergies, atomic_energies
from .atoms_dataset import AtomsDataset
from .data_hash import data_hash
from .frame import Frame
from .point_clouds import PointClouds, read_point_clouds
from .progress import with_progress
from .pyg import frames_from_pyg, read_md17
from .read_frames import frames_from_atoms, read_frames
from .write_frames import write_frames

__all__ = [
    "AtomicEnergies",
    "AtomsDataset",
    "Frame",
    "PointClouds",
    "atomic_energies",
    "data_hash",
    "frames_from_atoms",
    "frames_from_pyg",
    "read_frames",
    "read_md17",
    "read_point_clouds",
    "with_progress",
    "write_frames",
]
