"""The connectivity that a convolution needs, sorted once per graph for all its layers."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

MIN_CHUNK, MAX_CHUNKS = 256, 8
"""Receivers are cut into chunks of at least so many edges, at most so many chunks: never by the number of threads, on which no digit
of a result may depend."""


class SortedEdges(NamedTuple):
    """What kernels read: everything sorted, int32, on the device of the features.

    Edges that share a row of the weights (an edge and its reverse) are visited in different phases, one after the other: within a phase
    every row of the weights, and of their gradient, belongs to one edge only.
    """

    index: Tensor
    """(3, edges) int32: sender, receiver and row of the weights of each edge."""
    order: Tensor
    """(edges,) int32: the edges, sorted by phase, then by receiver."""
    ptr: Tensor
    """(phases, num_dst + 1) int32: order[ptr[p, i] : ptr[p, i + 1]] are the edges of phase p to receiver i; one or two phases."""
    chunks: Tensor
    """(chunks, 4) int64 on the CPU: first receiver, last + 1, smallest sender, largest + 1; empty on a GPU."""
    sender_order: Tensor
    """(edges,) int32 on a GPU: the edges sorted by sender; empty on the CPU, whose kernels do not need it."""
    sender_ptr: Tensor
    """(num_src + 1,) int32 on a GPU: sender_order[sender_ptr[j] : sender_ptr[j + 1]] are the edges from sender j; else empty."""
    num_src: int
    num_dst: int


class Edges(NamedTuple):
    """Messages flow src[e] -> dst[e]; senders and receivers may be different sets of nodes. Build it with `Edges.of`."""

    src: Tensor
    """(edges,) int64, in 0 ... num_src - 1."""
    dst: Tensor
    """(edges,) int64, in 0 ... num_dst - 1."""
    row: Tensor
    """(edges,) int64: which row of the weights each edge uses."""
    first: Tensor
    """(rows,) int64: the first edge that uses each row of the weights."""
    sorted: SortedEdges

    @property
    def num_src(self) -> int:
        return self.sorted.num_src

    @property
    def num_dst(self) -> int:
        return self.sorted.num_dst

    @staticmethod
    def of(edge_index: Tensor, num_src: int, num_dst: int, reverse: Tensor | None = None) -> "Edges":
        """Sort the edges; those that are sorted by receiver stay in their order.

        Args:
            edge_index: (2, edges) senders and receivers, int64 or int32.
            num_src: number of senders.
            num_dst: number of receivers.
            reverse: (edges,) the edge in the opposite direction of each edge, -1 where there is none: the two then share a row of the
                weights. None: every edge has its own.

        Raises:
            ValueError: if an index is out of range.

        Example:
            >>> edges = Edges.of(torch.tensor([[0, 1, 2], [1, 0, 0]]), 3, 3, reverse=torch.tensor([1, 0, -1]))
            >>> edges.row.tolist(), edges.sorted.order.tolist(), edges.sorted.ptr.tolist()
            ([0, 0, 1], [2, 0, 1], [[0, 1, 2, 2], [2, 3, 3, 3]])
        """
        src, dst = edge_index.to(torch.int64, copy=True)  # views of the original would keep it alive in sorted_edges
        num_edges, device = len(src), src.device
        _check(src, "senders", num_src)
        _check(dst, "receivers", num_dst)
        edge = torch.arange(num_edges, device=device)
        if reverse is None:
            row = first = edge
            visit = dst
        else:
            second = (reverse >= 0) & (reverse < edge)
            first = edge[~second]
            row = ((~second).cumsum(0) - 1)[torch.where(second, reverse, edge)]
            visit = dst + second * num_dst
        sorted_visit, order = (visit, edge) if _is_sorted(visit) else visit.sort(stable=True)
        ptr = _ptr(sorted_visit, num_dst if reverse is None else 2 * num_dst)
        ptr = ptr.unsqueeze(0) if reverse is None else torch.stack([ptr[: num_dst + 1], ptr[num_dst:]])
        index = torch.stack([src, dst, row]).int()
        chunks, sender_order, sender_ptr = _by_sender(src, dst, num_src, num_dst, ptr)
        return Edges(
            src,
            dst,
            row,
            first,
            SortedEdges(index, order.int(), ptr.int(), chunks, sender_order, sender_ptr, num_src, num_dst),
        )

    def subset(self, rows: Tensor) -> tuple["Edges", Tensor]:
        """The edges that use some of the rows of the weights: what `Edges.of` makes of them, without sorting again.

        Args:
            rows: (rows,) bool, which to keep.

        Returns:
            The edges, and (edges,) int64, which of the old ones they are.

        Example:
            >>> edges = Edges.of(torch.tensor([[0, 1, 2], [1, 0, 0]]), 3, 3, reverse=torch.tensor([1, 0, -1]))
            >>> fewer, kept = edges.subset(torch.tensor([True, False]))
            >>> fewer.src.tolist(), fewer.dst.tolist(), fewer.row.tolist(), kept.tolist()
            ([0, 1], [1, 0], [0, 0], [0, 1])
        """
        wanted = rows[self.row]
        kept = wanted.nonzero().squeeze(1)
        new_edge, new_row = wanted.cumsum(0) - 1, rows.cumsum(0) - 1
        src, dst, row = self.src[kept], self.dst[kept], new_row[self.row[kept]]
        first = new_edge[self.first[rows]]
        in_order = wanted[self.sorted.order]
        order = new_edge[self.sorted.order[in_order]]
        before = torch.cat([in_order.new_zeros(1, dtype=torch.int64), in_order.cumsum(0)])
        ptr, index = before[self.sorted.ptr], torch.stack([src, dst, row]).int()
        num_src, num_dst = self.num_src, self.num_dst
        chunks, sender_order, sender_ptr = _by_sender(src, dst, num_src, num_dst, ptr)
        edges = SortedEdges(index, order.int(), ptr.int(), chunks, sender_order, sender_ptr, num_src, num_dst)
        return Edges(src, dst, row, first, edges), kept


_sorted: WeakIdKeyDictionary = WeakIdKeyDictionary()


def sorted_edges(edge_index: Tensor, num_src: int, num_dst: int) -> Edges:
    """Edges.of, remembered for as long as the tensor exists and nobody writes to it.

    Example:
        >>> edge_index = torch.tensor([[0, 1], [1, 0]])
        >>> sorted_edges(edge_index, 2, 2) is sorted_edges(edge_index, 2, 2)
        True
    """
    if torch.compiler.is_compiling() or edge_index.is_inference():  # the latter do not count who writes to them
        return Edges.of(edge_index, num_src, num_dst)
    key = (edge_index._version, edge_index.data_ptr(), edge_index.device, num_src, num_dst)
    kept = _sorted.get(edge_index)
    if kept is None or kept[0] != key:
        with torch.inference_mode(False):  # what is kept may be needed for training later
            kept = _sorted[edge_index] = (key, Edges.of(edge_index, num_src, num_dst))
    return kept[1]


def _is_sorted(index: Tensor) -> bool:
    """Whether there is nothing to sort, as in most graphs that are built on a CPU; looking is not worth waiting for a GPU."""
    if torch.compiler.is_compiling() or index.device.type != "cpu":
        return False
    return bool((index[1:] >= index[:-1]).all())


def _ptr(index: Tensor, num: int) -> Tensor:
    """(num + 1,) where each value of a sorted index starts."""
    return torch.searchsorted(index, torch.arange(num + 1, device=index.device))


def _check(index: Tensor, name: str, num: int) -> None:
    if len(index):
        low, high = index.aminmax()
        if torch.compiler.is_compiling():
            torch._assert_async((low >= 0) & (high < num), f"Edges: expected {name} in the range of the nodes")
        elif low < 0 or high >= num:
            raise ValueError(
                f"Edges: expected {name} in 0 ... {num - 1}, got {int(low)} ... {int(high)}. Check edge_index and the number of nodes."
            )


def _by_sender(src: Tensor, dst: Tensor, num_src: int, num_dst: int, ptr: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What kernels know of senders: chunks, sender_order and sender_ptr of SortedEdges."""
    none = torch.empty(0, dtype=torch.int32, device=src.device)
    if src.device.type == "cpu":
        return _chunks(src, dst, num_src, num_dst, ptr), none, none
    sorted_src, by_sender = src.sort(stable=True)
    return none, by_sender.int(), _ptr(sorted_src, num_src).int()


def _chunks(src: Tensor, dst: Tensor, num_src: int, num_dst: int, ptr: Tensor) -> Tensor:
    """Ranges of receivers with about the same number of edges, and the range of senders that each of them meets."""
    num_edges = len(src)
    num = min(max(num_edges // MIN_CHUNK, 1), MAX_CHUNKS)
    before = (ptr - ptr[:, :1]).sum(0)  # edges to all receivers before each
    bounds = torch.searchsorted(before, torch.arange(1, num) * num_edges // num).clamp(max=num_dst)
    bounds = torch.cat([bounds.new_zeros(1), bounds, bounds.new_full((1,), num_dst)])
    chunk = torch.searchsorted(bounds[1:-1], dst, right=True)
    low = torch.full((num,), num_src).scatter_reduce(0, chunk, src, "amin")
    high = torch.zeros(num, dtype=torch.int64).scatter_reduce(0, chunk, src + 1, "amax")
    return torch.stack([bounds[:-1], bounds[1:], torch.minimum(low, high), high], dim=1)
