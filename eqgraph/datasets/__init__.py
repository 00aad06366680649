"""Structures and their labels, from files and from memory, as graphs to train on."""

from .atomic_energies import AtomicEnergies, atomic_energies, binding_energies
from .atoms_dataset import AtomsDataset
from .data_hash import data_hash
from .frame import Frame
from .frame_source import FrameSource, JoinedFrames
from .frame_table import LABELS, FrameRow, FrameTable
from .graph_dataset import GraphDataset
from .joined_graphs import JoinedGraphs
from .lazy_dataset import LazyDataset, scan_table
from .open_source import is_readable_in_parts, open_source
from .point_clouds import PointClouds, read_point_clouds
from .prepare import prepare
from .prepared import PreparedGraphs
from .progress import with_progress
from .pyg import frames_from_pyg, read_md17
from .read_frames import frames_from_atoms, read_frames
from .write_frames import write_frames

__all__ = [
    "LABELS",
    "AtomicEnergies",
    "AtomsDataset",
    "Frame",
    "FrameRow",
    "FrameSource",
    "FrameTable",
    "GraphDataset",
    "JoinedFrames",
    "JoinedGraphs",
    "LazyDataset",
    "PointClouds",
    "PreparedGraphs",
    "atomic_energies",
    "binding_energies",
    "data_hash",
    "frames_from_atoms",
    "frames_from_pyg",
    "is_readable_in_parts",
    "open_source",
    "prepare",
    "read_frames",
    "read_md17",
    "read_point_clouds",
    "scan_table",
    "with_progress",
    "write_frames",
]
