"""Labelled structures as graphs, for training and evaluation."""

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch_geometric.data import Data

from eqgraph.graph import from_ase

from .frame import Frame
from .progress import with_progress


class AtomsDataset(torch.utils.data.Dataset):
    """Graphs of structures with their labels, built once and kept in memory.

    Each item is the Data of eqgraph.graph.from_ase with energy (1,) [eV], forces (nodes, 3) [eV/Å], stress (1, 3, 3)
    [eV/Å³], virial (1, 3, 3) [eV], dipole (1, 3) [e·Å] and weight (1,) in float64. A label that a frame lacks is NaN, so that
    batches collate: count finite entries only.

    Args:
        frames: structures with labels.
        cutoff: edges are shorter than this [Å].

    Raises:
        ValueError: if a structure makes no graph, for the reasons of from_ase; names the frame.

    Example:
        >>> from ase.build import molecule
        >>> from eqgraph.datasets import Frame
        >>> dataset = AtomsDataset([Frame(molecule("H2O"), energy=-2079.0)], cutoff=3.0)
        >>> dataset[0].energy, dataset.species, dataset.avg_num_neighbors
        (tensor([-2079.], dtype=torch.float64), [1, 8], 2.0)
    """

    def __init__(self, frames: Sequence[Frame], cutoff: float) -> None:
        self.frames, self.cutoff = list(frames), float(cutoff)
        self._graphs = [_labelled_graph(frame, self.cutoff) for frame in with_progress(self.frames, "Neighbor lists")]

    def __len__(self) -> int:
        return len(self._graphs)

    def __getitem__(self, index: int) -> Data:
        return copy.copy(self._graphs[index])  # Data.to() and transforms work in place

    @property
    def species(self) -> list[int]:
        """Atomic numbers that occur, sorted."""
        return sorted({number for frame in self.frames for number in frame.atoms.numbers.tolist()})

    @property
    def avg_num_neighbors(self) -> float:
        """Edges per atom over all structures but isolated atoms; 1 if there are no edges at all: one divides by it."""
        graphs = [graph for frame, graph in zip(self.frames, self._graphs, strict=True) if not frame.is_isolated_atom]
        num_edges = sum(graph.num_edges for graph in graphs)
        return num_edges / sum(graph.num_nodes for graph in graphs) if num_edges else 1.0

    @property
    def forces_rms(self) -> float:
        """Root mean square of the force components [eV/Å], isolated atoms left out; NaN if no structure has forces."""
        forces = [f.forces.ravel() for f in self.frames if f.forces is not None and not f.is_isolated_atom]
        return math.sqrt(np.square(np.concatenate(forces)).mean()) if forces else math.nan


def _labelled_graph(frame: Frame, cutoff: float) -> Data:
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
