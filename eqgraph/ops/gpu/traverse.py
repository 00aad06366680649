"""Runs the kernels of the convolution over the edges of a graph."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..edges import SortedEdges
from ..paths import PathTable
from .conv_kernels import conv_kernel
from .source import ceil_div

MAX_SPLITS, MIN_EDGES = 128, 256
"""The gradient of W is added up over at most so many ranges of edges, of at least so many edges each."""


class Traversal:
    """What the derivatives of L or S have in common: see conv_kernels.

    Args:
        edges: senders, receivers and rows of the weights.
        table: the paths.
        second: whether of S instead of L.
        tensors: the arguments by their names in conv_kernels; of W only the number of rows is used here.
    """

    def __init__(self, edges: SortedEdges, table: PathTable, second: bool, **tensors: Tensor) -> None:
        self._edges, self._table, self._second = edges, table, second
        self._tensors: dict[str, Any] = {name: tensor.contiguous() for name, tensor in tensors.items()}
        self._num_hidden = len(tensors["W"]) if "W" in tensors else None
        self._num_edges = edges.index.shape[1]
        self._tensors |= {"index": edges.index.contiguous(), "order": edges.order}
        self._tensors |= {"num_src": edges.num_src, "num_dst": edges.num_dst, "num_edges": self._num_edges}

    def receivers(self) -> Tensor:
        """The derivative by g."""
        edges, table = self._edges, self._table
        covered = [0] * len(table.out_blocks)
        for path in table.paths:
            covered[path.out_block] += table.mul(path)
        whole = all(block.mul == number for block, number in zip(table.out_blocks, covered, strict=True))
        gg = _new(self._tensors["y"], edges.num_dst * table.dim_out, whole)
        self._kernel("receivers")(
            edges.num_dst, **self._tensors, gg=gg, ptr=edges.ptr.contiguous(), num_phases=len(edges.ptr)
        )
        return gg

    def senders(self) -> Tensor:
        """The derivative by x."""
        edges, table = self._edges, self._table
        whole = {path.block for path in table.paths} == set(range(len(table.blocks)))
        gx = _new(self._tensors["y"], edges.num_src * table.dim_in, whole)
        order, ptr = by_sender(edges)
        self._kernel("senders")(edges.num_src, **(self._tensors | {"order": order}), gx=gx, ptr=ptr, num_phases=1)
        return gx

    def edges(self) -> tuple[Tensor, Tensor]:
        """The derivatives by y and by w or h. Edges that share a row of the weights are visited one after the other."""
        name = "w" if self._num_hidden is None else "h"
        gy, gw = torch.empty_like(self._tensors["y"]), torch.empty_like(self._tensors[name])
        kernel = self._kernel("edges")
        # the first phase has one edge for each row of the weights
        bounds = [0, self._num_edges] if len(self._edges.ptr) == 1 else [0, len(gw), self._num_edges]
        for phase, (first, last) in enumerate(pairwise(bounds)):
            kernel(
                ceil_div(last - first, kernel.tile),
                **self._tensors,
                **{"gy": gy, f"g{name}": gw, "first": first, "last": last, "add_before": last if phase else 0},
            )
        return gy, gw

    def matrix(self) -> Tensor:
        """The derivative by W."""
        num_splits = max(1, min(MAX_SPLITS, self._num_edges // MIN_EDGES))
        parts = self._tensors["W"].new_empty(num_splits, *self._tensors["W"].shape)
        edges_per_split = ceil_div(self._num_edges, num_splits)
        self._kernel("matrix")(num_splits, **self._tensors, gW=parts, edges_per_split=edges_per_split)
        return parts.sum(0)

    def _kernel(self, kind: str):
        return conv_kernel(self._table.key, kind, self._second, self._num_hidden, "cW" in self._tensors)


def by_sender(edges: SortedEdges) -> tuple[Tensor, Tensor]:
    """(order, ptr) of the edges sorted by sender, made here if `edges` comes without, as on the CPU."""
    if len(edges.sender_ptr):
        return edges.sender_order, edges.sender_ptr
    src = edges.index[0].long()
    counts = torch.bincount(src, minlength=edges.num_src)
    return src.argsort(stable=True).int(), torch.nn.functional.pad(counts.cumsum(0), (1, 0)).int()


def _new(like: Tensor, size: int, whole: bool) -> Tensor:
    """Memory for a result, which is zero where kernels do not write."""
    return like.new_empty(size) if whole else like.new_zeros(size)
