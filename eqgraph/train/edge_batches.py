"""Batches of about the same number of edges."""

from __future__ import annotations

import heapq
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from .epoch_seed import epoch_seed

_CLASSES_PER_DOUBLING = 2
"""Sizes of graphs within which the order is drawn."""


class EdgeBatches(torch.utils.data.Sampler[list[int]]):
    """Distributes graphs over batches anew in every epoch, so that no batch has more than so many edges.

    Large graphs go first, those of about the same size in a random order, each into the batch with the fewest edges so far: the
    batches of an epoch are about equally large, and as many in every epoch. Then the batches are shuffled. All depends on the seed
    and the epoch alone. A graph that alone has more edges makes a batch of its own, with one warning.

    One process takes all batches; with `shard`, each of several takes every so-many-th. Their number is then a multiple of the number
    of processes, so that all make the same number of steps and every graph is seen once. Only if there are fewer graphs than
    that, some batches are empty: [], a step for which a process has nothing to do.

    Args:
        num_edges: (graphs,) of each graph.
        cap: most edges of a batch.
        seed: of the orders.
        frames: (graphs,) their frames in the file, for the warning; None: their numbers.
        rank: which of several processes this is.
        world: how many processes there are.

    Raises:
        ValueError: if there are no graphs, the cap is below 1, or the rank is not below world.

    Example:
        >>> batches = EdgeBatches([10, 20, 30, 40, 50], cap=80, seed=0)
        >>> len(batches), sorted(index for batch in batches for index in batch)
        (2, [0, 1, 2, 3, 4])
        >>> first = list(batches)
        >>> batches.start_at(epoch=0, batch=1)
        >>> list(batches) == first[1:]
        True
    """

    def __init__(
        self,
        num_edges: Sequence[int] | np.ndarray,
        cap: int,
        seed: int,
        frames: np.ndarray | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.num_edges = np.asarray(num_edges, dtype=np.int64)
        if not len(self.num_edges) or cap < 1 or not 0 <= rank < world:
            raise ValueError(
                f"EdgeBatches: expected graphs, a cap of at least 1 edge and a rank below world, got {len(self.num_edges)} graphs, "
                f"cap={cap}, rank={rank}, world={world}. Correct these."
            )
        self.cap, self.seed, self.frames, self.rank, self.world = cap, seed, frames, rank, world
        self.epoch = self.first_batch = 0
        order = np.argsort(-_size_class(self.num_edges), kind="stable")
        self._ends = np.flatnonzero(np.diff(_size_class(self.num_edges)[order], append=-2))  # last of each class
        self._order = order
        large = self.num_edges > cap
        self._num_large = int(large.sum())
        if self._num_large and rank == 0:
            self._warn()
        num_batches = self._num_large + _fewest(self.num_edges, order[~large[order]], cap)
        self.num_batches = -(-num_batches // world) * world

    def shard(self, rank: int, world: int) -> EdgeBatches:
        """The batches of one of several processes, as many as each of the others has: step k of rank r is number k · world + r."""
        return EdgeBatches(self.num_edges, self.cap, self.seed, self.frames, rank, world)

    def start_at(self, epoch: int, batch: int) -> None:
        """Begin with a batch of an epoch: the steps done, since loaders draw batches ahead. The epochs after it are whole."""
        self.epoch, self.first_batch = epoch, batch

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before every epoch, also before one that goes on in its middle."""
        if epoch != self.epoch:
            self.start_at(epoch, 0)

    @property
    def sampler(self) -> EdgeBatches:
        """Lightning calls set_epoch of the sampler of a batch sampler."""
        return self

    def __len__(self) -> int:
        """Batches of an epoch of this process, whatever the start."""
        return self.num_batches // self.world

    def __iter__(self) -> Iterator[list[int]]:
        batches = self._batches()[self.rank :: self.world]
        return iter(batches[self.first_batch :])

    def _batches(self) -> list[list[int]]:
        rng = np.random.default_rng(epoch_seed(self.seed, self.epoch))
        order = self._order.copy()
        for begin, end in zip([0, *self._ends[:-1] + 1], self._ends + 1, strict=True):
            rng.shuffle(order[begin:end])
        large = self.num_edges[order] > self.cap
        batches = [[index] for index in order[large].tolist()]
        filled: list[list[int]] = [[] for _ in range(self.num_batches - self._num_large)]
        heap = [(0, number) for number in range(len(filled))]
        rest = order[~large]
        for index, size in zip(rest.tolist(), self.num_edges[rest].tolist(), strict=True):
            load, number = heap[0]
            filled[number].append(index)
            # without edges a graph still is one: they spread
            heapq.heapreplace(heap, (load + max(size, 1), number))
        batches += filled
        return [batches[number] for number in rng.permutation(len(batches)).tolist()]

    def _warn(self) -> None:
        worst = int(self.num_edges.argmax())
        name = f"graph {worst}" if self.frames is None else f"frame {self.frames[worst]}"
        warnings.warn(
            f"Expected graphs of at most {self.cap} edges (training.batch_edges), got {self._num_large} larger ones, the largest is "
            f"{name} with {self.num_edges[worst]} edges. Each makes a batch of its own: if memory does not suffice, remove them.",
            UserWarning,
            stacklevel=3,
        )


def _size_class(num_edges: np.ndarray) -> np.ndarray:
    """Large numbers for large graphs, the same one for similar sizes."""
    return np.floor(_CLASSES_PER_DOUBLING * np.log2(np.maximum(num_edges, 1))).astype(np.int64)


def _fewest(num_edges: np.ndarray, order: np.ndarray, cap: int) -> int:
    """How many batches are enough, in whatever order the graphs of a class come.

    The batch with the fewest edges has at most the mean of what was placed before, P / B. So the next graph, of s edges, fits into one
    of B batches if P / B + s <= cap, or if some batch is still empty. The worst order of a class has its largest graph last.
    """
    if not len(order):
        return 0
    sizes = np.maximum(num_edges[order], 1)
    classes = _size_class(num_edges[order])
    last = np.flatnonzero(np.diff(classes, append=-2))
    largest = np.maximum.reduceat(sizes, np.concatenate([[0], last[:-1] + 1]))
    before, rank = np.cumsum(sizes)[last] - largest, last + 1  # rank: graphs up to there

    def enough(batches: int) -> bool:
        return bool(((rank <= batches) | (before + largest * batches <= cap * batches)).all())

    low, high = 1, len(order)  # one each is always enough
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
