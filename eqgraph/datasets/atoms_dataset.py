"""Labelled structures as graphs, for training and evaluation."""

import copy
import math
from collections.abc import Mapping, Sequence

import torch
from torch_geometric.data import Data

from eqgraph.graph import from_ase

from .frame import Frame
from .frame_table import FrameTable
from .graph_dataset import GraphDataset
from .progress import with_progress
from .weight import weighted


class AtomsDataset(GraphDataset):
    """Graphs of structures with their labels, built once and kept in memory.

    Args:
        frames: structures with labels.
        cutoff: edges are shorter than this [Å].
        config_types: see weighted.

    Raises:
        ValueError: if a structure makes no graph, for the reasons of from_ase; names the frame.

    Example:
        >>> from ase.build import molecule
        >>> from eqgraph.datasets import Frame
        >>> dataset = AtomsDataset([Frame(molecule("H2O"), energy=-2079.0)], cutoff=3.0)
        >>> dataset[0].energy, dataset.species, dataset.avg_num_neighbors
        (tensor([-2079.], dtype=torch.float64), [1, 8], 2.0)
    """

    def __init__(self, frames: Sequence[Frame], cutoff: float, config_types: Mapping[str, float] | None = None) -> None:
        self.frames, self.cutoff = list(frames), float(cutoff)
        self._graphs = [
            labelled_graph(weighted(frame, config_types or {}), self.cutoff)
            for frame in with_progress(self.frames, "Neighbor lists")
        ]
        self.table = FrameTable.of(self.frames, [graph.num_edges for graph in self._graphs])

    def __getitem__(self, index: int) -> Data:
        return copy.copy(self._graphs[index])  # Data.to() and transforms work in place

    def place(self, index: int) -> str:
        return self.frames[index].place

    def frame(self, index: int) -> Frame:
        return self.frames[index]


def labelled_graph(frame: Frame, cutoff: float) -> Data:
    """The graph of a structure with its labels; those that are missing are NaN.

    Raises:
        ValueError: for the reasons of from_ase; names the frame.
    """
    try:
        data = from_ase(frame.atoms, cutoff)
    except ValueError as error:
        raise ValueError(f"{frame.place}: {error}") from error
    labels = {
        "energy": ((1,), frame.energy),
        "forces": (data.pos.shape, frame.forces),
        "stress": ((1, 3, 3), frame.stress),
        "virial": ((1, 3, 3), frame.virial),
        "dipole": ((1, 3), frame.dipole),
        "weight": ((1,), frame.weight),
    }
    for name, (shape, value) in labels.items():
        data[name] = torch.full(shape, math.nan, dtype=torch.float64)
        if value is not None:
            data[name][:] = torch.as_tensor(value, dtype=torch.float64)
    return data
