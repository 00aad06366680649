"""Labelled graphs that are read when they are asked for."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
import torch
from torch_geometric.data import Data

from .frame import Frame
from .frame_source import FrameSource
from .frame_table import FrameTable
from .graph_dataset import GraphDataset
from .prepared import PreparedGraphs
from .progress import with_progress
from .scan import scan

CACHE_BYTES = 2**29
"""Of graphs that are kept by all workers of a loader together."""


def scan_table(source: FrameSource, cutoff: float, workers: int = 0) -> FrameTable:
    """The table of all structures of a source: the stored one where there is one, else of one pass over the structures.

    Args:
        source: where the structures are.
        cutoff: edges are shorter than this [Å].
        workers: processes that read; 0: this one.

    Raises:
        ValueError: if a structure is wrong, or graphs were prepared with a smaller cutoff.
    """
    if isinstance(source, PreparedGraphs):
        source.require_cutoff(cutoff)
        if cutoff == source.cutoff:
            return source.table
    rows = (row for row, _, _ in scan(source, cutoff, range(len(source)), workers))
    return FrameTable.from_rows(with_progress(rows, f"Neighbor lists of {source.path.name}", len(source)))


class LazyDataset(GraphDataset):
    """Graphs of a source, made when they are asked for by whoever asks (a worker of a DataLoader); the last ones are kept.

    Args:
        source: where the structures are.
        cutoff: edges are shorter than this [Å].
        table: of all structures of the source, see scan_table.
        rows: which of them, in this order; None: all.
        cache_bytes: of graphs that are kept, shared out among the workers of a loader; None: 512 MiB, or none of a prepared
            folder, from which graphs are read about as fast as they are found.
        config_types: see weighted.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from .extxyz_source import ExtxyzSource
        >>> path = Path(tempfile.mkdtemp()) / "hydrogen.xyz"
        >>> _ = path.write_text("2\\nenergy=-31.7\\nH 0 0 0\\nH 0 0 0.74\\n" * 3)
        >>> source = ExtxyzSource(path)
        >>> dataset = LazyDataset(source, 3.0, scan_table(source, 3.0), rows=np.array([2, 0]))
        >>> len(dataset), dataset[0].num_edges, dataset.table.index.tolist()
        (2, 2, [2, 0])
    """

    def __init__(
        self,
        source: FrameSource,
        cutoff: float,
        table: FrameTable,
        rows: np.ndarray | None = None,
        cache_bytes: float | None = None,
        config_types: Mapping[str, float] | None = None,
    ) -> None:
        self.source, self.cutoff = source, float(cutoff)
        self.rows = np.arange(len(source)) if rows is None else np.asarray(rows)
        self.table = table if rows is None else table.select(self.rows)
        self._cache_bytes = cache_bytes if cache_bytes is not None else 0 if source.is_cheap else CACHE_BYTES
        self._cache: OrderedDict[int, tuple[Data, int]] = OrderedDict()
        self._cached = 0
        self.config_types = dict(config_types or {})

    def __getitem__(self, index: int) -> Data:
        row = int(self.rows[index])
        if row in self._cache:
            self._cache.move_to_end(row)
            return copy.copy(self._cache[row][0])  # Data.to() and transforms work in place
        graph = self._graph(row)
        size = sum(tensor.nbytes for tensor in graph.to_dict().values())
        worker = torch.utils.data.get_worker_info()
        limit = self._cache_bytes / (1 if worker is None else worker.num_workers)
        if size <= limit:
            self._cache[row] = copy.copy(graph), size
            self._cached += size
            while self._cached > limit:
                self._cached -= self._cache.popitem(last=False)[1][1]
        return graph

    def _graph(self, row: int) -> Data:
        if not self.config_types:
            return self.source.graph(row, self.cutoff)
        frame, graph = self.source.frame_and_graph(row, self.cutoff)
        graph.weight *= self.config_types.get(frame.config_type, 1.0)
        return graph

    def place(self, index: int) -> str:
        return self.source.place(int(self.rows[index]))

    def frame(self, index: int) -> Frame:
        return self.source.frame(int(self.rows[index]))

    def sample(self, count: int, seed: int = 0) -> LazyDataset:
        """So many of the graphs, drawn at random, in their order."""
        drawn = np.sort(np.random.default_rng(seed).permutation(len(self))[:count])
        table = self.table.select(drawn)
        part = LazyDataset(self.source, self.cutoff, table, None, self._cache_bytes, self.config_types)
        part.rows = self.rows[drawn]
        return part

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_cache": OrderedDict(), "_cached": 0}
