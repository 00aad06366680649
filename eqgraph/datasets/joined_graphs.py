"""Data sets of graphs, one after the other."""

from collections.abc import Sequence

import numpy as np
from torch_geometric.data import Data

from .frame import Frame
from .frame_table import FrameTable
from .graph_dataset import GraphDataset


class JoinedGraphs(GraphDataset):
    """All graphs of several data sets with one cutoff.

    Args:
        parts: the data sets.

    Raises:
        ValueError: if their cutoffs differ.

    Example:
        >>> from ase.build import molecule
        >>> from eqgraph.datasets import AtomsDataset, Frame
        >>> parts = [AtomsDataset([Frame(molecule(name), energy=0.0)], cutoff=3.0) for name in ("H2O", "CH4")]
        >>> joined = JoinedGraphs(parts)
        >>> len(joined), joined.species, joined[1].num_nodes
        (2, [1, 6, 8], 5)
    """

    def __init__(self, parts: Sequence[GraphDataset]) -> None:
        self.parts = list(parts)
        if len(cutoffs := {part.cutoff for part in self.parts}) != 1:
            raise ValueError(
                f"JoinedGraphs: expected data sets of one cutoff, got {sorted(cutoffs)} Å. Build them alike."
            )
        (self.cutoff,) = cutoffs
        self.table = FrameTable.concatenate([part.table for part in self.parts])
        self._ends = np.cumsum([len(part) for part in self.parts])

    def __getitem__(self, index: int) -> Data:
        part, index = self._at(index)
        return part[index]

    def place(self, index: int) -> str:
        part, index = self._at(index)
        return part.place(index)

    def frame(self, index: int) -> Frame:
        part, index = self._at(index)
        return part.frame(index)

    def _at(self, index: int) -> tuple[GraphDataset, int]:
        which = int(np.searchsorted(self._ends, index, side="right"))
        return self.parts[which], index - (int(self._ends[which - 1]) if which else 0)
