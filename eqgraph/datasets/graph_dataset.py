"""What all data sets of graphs have, wherever the graphs are kept."""

from abc import ABC, abstractmethod

import torch
from torch_geometric.data import Data

from .frame import Frame
from .frame_table import FrameTable


class GraphDataset(torch.utils.data.Dataset, ABC):
    """Graphs with labels by their number, and their statistics.

    Each item is the Data of eqgraph.graph.from_ase with energy (1,) [eV], forces (nodes, 3) [eV/Å], stress (1, 3, 3)
    [eV/Å³], virial (1, 3, 3) [eV], dipole (1, 3) [e·Å] and weight (1,) in float64. A label that a frame lacks is NaN, so that
    batches collate: count finite entries only.

    Attributes:
        cutoff: edges are shorter than this [Å].
        table: a row of numbers for each structure.
    """

    cutoff: float
    table: FrameTable

    @abstractmethod
    def __getitem__(self, index: int) -> Data:
        """One graph, which the caller may change."""

    @abstractmethod
    def place(self, index: int) -> str:
        """Where a structure comes from, in the words of messages."""

    @abstractmethod
    def frame(self, index: int) -> Frame:
        """One structure with its labels, as it was read."""

    def __len__(self) -> int:
        return len(self.table)

    @property
    def species(self) -> list[int]:
        """Atomic numbers that occur, sorted."""
        return self.table.species

    @property
    def avg_num_neighbors(self) -> float:
        """Edges per atom over all structures but isolated atoms; 1 if there are no edges at all: one divides by it."""
        return self.table.avg_num_neighbors

    @property
    def forces_rms(self) -> float:
        """Root mean square of the force components [eV/Å], isolated atoms left out; NaN if no structure has forces."""
        return self.table.forces_rms
