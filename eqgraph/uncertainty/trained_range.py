"""What a model has seen: which distances and how many neighbors."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from eqgraph.datasets import GraphDataset, with_progress
from eqgraph.graph import edge_vectors

CLOSER = 0.95
"""Distances below this part of the smallest trained one are out of range; another trajectory of the same kind is not."""
MORE = 1.2
"""Numbers of neighbors above this multiple of the largest trained one are out of range."""
_NUMBERS = len(chemical_symbols)


class OutOfRange(NamedTuple):
    """Something that a model was not trained on; one for each pair of elements, or element."""

    what: str
    """"H-O" for a distance, "H" for a number of neighbors."""
    message: str


class TrainedRange:
    """The shortest distance of each pair of elements, and the most neighbors of an atom of each element, in training structures.

    Args:
        distances: (119, 119) symmetric, smallest distance [Å] of each pair of atomic numbers; infinite where there was none.
        neighbors: (119,) largest number of neighbors within the cutoff.
        cutoff: of the neighbors [Å].

    Example:
        >>> from ase.build import molecule
        >>> from eqgraph.graph import from_ase
        >>> water = from_ase(molecule("H2O"), 3.0)
        >>> seen = TrainedRange.of([water], 3.0)
        >>> water.pos *= 0.8
        >>> [found.what for found in seen.beyond(water)]
        ['H-H', 'H-O']
    """

    def __init__(self, distances: Tensor, neighbors: Tensor, cutoff: float) -> None:
        self.distances, self.neighbors, self.cutoff = distances, neighbors, float(cutoff)

    @classmethod
    def of(cls, graphs: Iterable[Data], cutoff: float) -> TrainedRange:
        """That of graphs with edges up to the cutoff [Å]."""
        distances = torch.full((_NUMBERS * _NUMBERS,), torch.inf, dtype=torch.float64)
        neighbors = torch.zeros(_NUMBERS, dtype=torch.int64)
        for data in graphs:
            length, pairs, counts = _edges(data.atomic_numbers, data.edge_index, _edge_vec(data), cutoff)
            distances.scatter_reduce_(0, pairs, length, "amin")
            neighbors.scatter_reduce_(0, data.atomic_numbers, counts, "amax")
        distances = distances.view(_NUMBERS, _NUMBERS)
        return cls(torch.minimum(distances, distances.T), neighbors, cutoff)

    def beyond(self, data: Data) -> list[OutOfRange]:
        """What of a graph, on the CPU, is out of range: the worst for each pair of elements and each element."""
        return self.beyond_of_edges(data.atomic_numbers, data.edge_index, _edge_vec(data))

    def beyond_of_edges(self, numbers: Tensor, edge_index: Tensor, edge_vec: Tensor) -> list[OutOfRange]:
        """The same for (nodes,) atomic numbers and the edges between them, (2, edges), with their vectors, (edges, 3) [Å]."""
        length, pairs, counts = _edges(numbers, edge_index, edge_vec, self.cutoff)
        close = length < CLOSER * self.distances.flatten()[pairs]
        crowded = counts > MORE * self.neighbors[numbers]
        if not (close.any() or crowded.any()):
            return []
        found = []
        first, second = pairs[close] // _NUMBERS, pairs[close] % _NUMBERS
        low, high = torch.minimum(first, second), torch.maximum(first, second)
        for a, b in torch.stack([low, high], dim=1).unique(dim=0).tolist():
            found.append(self._too_close(a, b, float(length[close][(low == a) & (high == b)].min())))
        for number in numbers[crowded].unique().tolist():
            found.append(self._too_many(number, int(counts[numbers == number].max())))
        return found

    def _too_close(self, a: int, b: int, distance: float) -> OutOfRange:
        pair = f"{chemical_symbols[a]}-{chemical_symbols[b]}"
        smallest = float(self.distances[a, b])
        trained = (
            f"the smallest distance trained on is {smallest:.3f} Å"
            if np.isfinite(smallest)
            else f"no such pair within {self.cutoff:g} Å was trained on"
        )
        return OutOfRange(pair, f"{pair} at {distance:.3f} Å, {trained}")

    def _too_many(self, number: int, count: int) -> OutOfRange:
        symbol = chemical_symbols[number]
        most = int(self.neighbors[number])
        return OutOfRange(
            symbol,
            f"{symbol} with {count} neighbors within {self.cutoff:g} Å, the largest number trained on is {most}",
        )

    def as_metadata(self) -> dict[str, Any]:
        """For the header of a model file."""
        pairs = itertools.combinations_with_replacement(range(_NUMBERS), 2)
        names = chemical_symbols
        return {
            "cutoff": self.cutoff,
            "distances": {
                f"{names[a]}-{names[b]}": float(self.distances[a, b])
                for a, b in pairs
                if self.distances[a, b].isfinite()
            },
            "neighbors": {names[number]: int(count) for number, count in enumerate(self.neighbors) if count},
        }

    @classmethod
    def of_header(cls, header: Mapping[str, Any]) -> TrainedRange | None:
        """That of a model file; None if it has none, or one that cannot be read."""
        stored = header.get("metadata", {}).get("trained_range")
        try:
            distances = torch.full((_NUMBERS, _NUMBERS), torch.inf, dtype=torch.float64)
            neighbors = torch.zeros(_NUMBERS, dtype=torch.int64)
            for pair, distance in stored["distances"].items():
                a, b = (atomic_numbers[symbol] for symbol in pair.split("-"))
                distances[a, b] = distances[b, a] = float(distance)
            for symbol, count in stored["neighbors"].items():
                neighbors[atomic_numbers[symbol]] = int(count)
            return cls(distances, neighbors, stored["cutoff"])
        except (TypeError, KeyError, ValueError, AttributeError):
            return None


class RangeWatch:
    """Says once what is out of range, however often it comes.

    Args:
        trained: None: nothing is ever out of range.

    Example:
        >>> from ase.build import molecule
        >>> from eqgraph.graph import from_ase
        >>> water = from_ase(molecule("H2O"), 3.0)
        >>> watch = RangeWatch(TrainedRange.of([water], 3.0))
        >>> water.pos *= 0.8
        >>> len(watch.news(water)), len(watch.news(water))
        (2, 0)
    """

    def __init__(self, trained: TrainedRange | None) -> None:
        self.trained = trained
        self._said: set[str] = set()

    def news(self, data: Data, where: str = "") -> list[str]:
        """Messages about a graph, on the CPU; where: its name in them."""
        return self.news_of_edges(data.atomic_numbers, data.edge_index, _edge_vec(data), where)

    def news_of_edges(self, numbers: Tensor, edge_index: Tensor, edge_vec: Tensor, where: str = "") -> list[str]:
        """The same for what TrainedRange.beyond_of_edges takes."""
        if self.trained is None:
            return []
        beyond = self.trained.beyond_of_edges(numbers, edge_index, edge_vec)
        new = [found for found in beyond if found.what not in self._said]
        self._said.update(found.what for found in new)
        place = f"{where}: " if where else ""
        return [
            f"{place}Expected a structure like those that the model was trained on, came {found.message}. Predictions may be far off; "
            "train on such structures."
            for found in new
        ]


def range_warnings(trained: TrainedRange | None, dataset: GraphDataset, where: str = "") -> list[str]:
    """What is out of range in a data set: the first structure for each pair of elements and each element."""
    watch = RangeWatch(trained)
    if trained is None:
        return []
    graphs = with_progress(range(len(dataset)), f"Distances{f' of {where}' if where else ''}")
    return [message for index in graphs for message in watch.news(dataset[index], dataset.place(index))]


def _edge_vec(data: Data) -> Float[Tensor, "edges 3"]:
    return edge_vectors(data.pos.detach().double(), data.cell.double(), data.edge_index, data.edge_shift, data.batch)


def _edges(
    numbers: Tensor, edge_index: Tensor, edge_vec: Tensor, cutoff: float
) -> tuple[Float[Tensor, " edges"], Tensor, Tensor]:
    """Of the edges within the cutoff: length and pair of atomic numbers; and the number of neighbors of each atom."""
    length = torch.linalg.vector_norm(edge_vec, dim=1)
    within = length < cutoff  # a list with a skin has more
    src, dst = edge_index[:, within]
    return length[within], numbers[src] * _NUMBERS + numbers[dst], dst.bincount(minlength=len(numbers))
