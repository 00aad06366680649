"""Batches of labelled graphs, made here or by other processes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset
from torch_geometric.data import Batch, Data

from eqgraph.datasets import LABELS, GraphDataset


class GraphLoader(DataLoader):
    """The DataLoader of PyTorch for graphs; a batch of no graphs becomes one graph without labels, so that there is work to skip.

    Args:
        dataset: the graphs.
        workers: processes that read and find neighbors; 0: this one. They live as long as the loader.
        **options: of DataLoader: batch_size and sampler, or batch_sampler.

    Raises:
        ValueError: while iterating, if a graph cannot be read: the message of the dataset, whichever process read it.

    Example:
        >>> from ase.build import molecule
        >>> from eqgraph.datasets import AtomsDataset, Frame
        >>> dataset = AtomsDataset([Frame(molecule("H2O"), energy=-2079.0)] * 3, cutoff=3.0)
        >>> [batch.num_graphs for batch in GraphLoader(dataset, 0, batch_size=2)]
        [2, 1]
    """

    def __init__(self, dataset: GraphDataset, workers: int = 0, **options: Any) -> None:
        super().__init__(
            _Messages(dataset),
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=_Collate(dataset),
            **options,
        )

    def __iter__(self) -> Iterator[Batch]:
        for batch in super().__iter__():
            if isinstance(batch, str):
                raise ValueError(batch)
            yield batch


class _Messages(Dataset):
    """Hands on what is wrong with a graph as a message: raised in another process, it would come with its traceback."""

    def __init__(self, dataset: GraphDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, indices: list[int]) -> list[Data] | str:
        try:
            return [self.dataset[index] for index in indices]
        except ValueError as error:
            return str(error)


class _Collate:
    def __init__(self, dataset: GraphDataset) -> None:
        self.dataset = dataset

    def __call__(self, graphs: list[Data] | str) -> Batch | str:
        return graphs if isinstance(graphs, str) else Batch.from_data_list(graphs or [self._without_labels()])

    def _without_labels(self) -> Data:
        """Means over labels that exist count none of it."""
        graph = self.dataset[0].clone()
        for name in (*LABELS, "virial"):
            graph[name].fill_(math.nan)
        graph.is_padding = True
        return graph
