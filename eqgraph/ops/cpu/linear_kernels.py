"""Writes the kernels of linear maps of node features: matrix products for nodes of one group at a time.

Where nodes of a group are scattered, blocks of their rows are gathered first, multiplied, and scattered.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ..blocks import Block, LinearTable
from .emit import Emitter, Value
from .gemm import gemm, transpose
from .jit import vector_bytes

_ROWS = 64
"""Rows that are gathered at a time, or those of one node if it has more."""


class LinearPlan(NamedTuple):
    """What a kernel depends on."""

    kind: str
    """"forward"; "features" or "weights" for the gradient with respect to them."""
    table: LinearTable
    """Of the map itself; the gradient of the features is the map of LinearTable.transposed with every matrix transposed."""
    indexed: bool
    """Whether there is an order of nodes."""
    dtype: str

    @property
    def applied(self) -> LinearTable:
        """The table of the map that the kernel applies."""
        return self.table.transposed() if self.kind == "features" else self.table

    @property
    def num_gathered(self) -> tuple[int, int]:
        """Numbers of gathered rows of the two matrices: of x, and of the output or its gradient."""
        if not self.indexed:
            return 0, 0
        table = self.applied
        return tuple(
            max((nodes_at_once(block) * block.size for block in blocks), default=0)
            for blocks in (table.blocks, table.out_blocks)
        )

    @property
    def num_transposed(self) -> int:
        """Numbers of the transposed matrices of one group."""
        return self.table.num_weights if self.kind == "features" else 0

    @property
    def scratch_bytes(self) -> int:
        return (sum(self.num_gathered) + self.num_transposed) * (4 if self.dtype == "float32" else 8)


def nodes_at_once(block: Block) -> int:
    """How many nodes are gathered at a time."""
    return max(_ROWS // block.dim, 1)


def source(plan: LinearPlan, name: str) -> str:
    """The LLVM text of the kernel of a plan, as a function of this name."""
    pointers = {"forward": ["out", "x", "w"], "features": ["out", "x", "w"], "weights": ["gw", "g", "x"]}[plan.kind]
    integers = ["num_nodes", "num_groups", "first", "last"]
    width = vector_bytes() // (4 if plan.dtype == "float32" else 8)
    k = Emitter(name, [*pointers, "order", "ptr"], integers, plan.dtype, width)
    _Writer(plan, k).write()
    return k.text()


class _Writer:
    """The state while one kernel is written."""

    def __init__(self, plan: LinearPlan, k: Emitter) -> None:
        self.plan, self.k, self.table, self.values = plan, k, plan.applied, k.arguments
        floats, (num_in, num_out) = k.arguments["floats"], plan.num_gathered
        self.scratch = {"in": floats, "out": k.at(floats, num_in), "transposed": k.at(floats, num_in + num_out)}

    def write(self) -> None:
        k, values, table = self.k, self.values, self.table
        forward = self.plan.kind != "weights"
        if forward:
            reached = {out for _, out in table.paths}
            for out, block in enumerate(table.out_blocks):
                if out not in reached:
                    nodes = k.sub(values["last"], values["first"])
                    k.clear(self._node("out", table.out_blocks, out, values["first"]), k.mul(nodes, block.size))
        else:
            k.clear(values["gw"], k.mul(values["num_groups"], table.num_weights))
        with k.loop(0, values["num_groups"]) as group:
            first = k.maximum(k.load_int(values["ptr"], group), values["first"])
            last = k.minimum(k.load_int(values["ptr"], k.add(group, 1)), values["last"])
            weights = k.at(values["w" if forward else "gw"], k.mul(group, table.num_weights))
            if self.plan.kind == "features":
                weights = self._transposed(weights)
            for out in range(len(table.out_blocks)):
                paths = [path for path, (_, its_out) in enumerate(table.paths) if its_out == out]
                if paths and table.out_blocks[out].size:
                    (self._forward if forward else self._weights)(out, paths, first, last, weights)

    def _forward(self, out: int, paths: list[int], first: Value, last: Value, weights: Value) -> None:
        k, table = self.k, self.table
        block = table.out_blocks[out]
        with self._pieces(block, first, last) as (start, nodes):
            result = self.scratch["out"] if self.plan.indexed else self._node("out", table.out_blocks, out, start)
            if not any(table.blocks[table.paths[path][0]].mul for path in paths):
                k.clear(result, k.mul(nodes, block.size))
            accumulate = False
            for path in paths:
                in_block = table.blocks[table.paths[path][0]]
                if not in_block.mul:
                    continue
                gemm(
                    k, result, block.mul, self._rows("x", "in", table.blocks, table.paths[path][0], start, nodes), in_block.mul, 1,
                    k.at(weights, table.weight_starts[path]), block.mul, k.mul(nodes, block.dim), in_block.mul, block.mul, accumulate,
                )  # fmt: skip
                accumulate = True
            if self.plan.indexed:
                with k.loop(0, nodes) as node:
                    target = self._node("out", table.out_blocks, out, self._index(k.add(start, node)))
                    self._copy(target, k.at(result, k.mul(node, block.size)), block.size)

    def _weights(self, out: int, paths: list[int], first: Value, last: Value, weights: Value) -> None:
        k, table = self.k, self.table
        block = table.out_blocks[out]
        with self._pieces(block, first, last) as (start, nodes):
            g = self._rows("g", "out", table.out_blocks, out, start, nodes)
            for path in paths:
                in_block = table.blocks[table.paths[path][0]]
                if not in_block.mul:
                    continue
                x = self._rows("x", "in", table.blocks, table.paths[path][0], start, nodes)
                gemm(
                    k, k.at(weights, table.weight_starts[path]), block.mul, x, 1, in_block.mul, g, block.mul,
                    in_block.mul, k.mul(nodes, block.dim), block.mul, accumulate=True,
                )  # fmt: skip

    def _transposed(self, weights: Value) -> Value:
        """The address of the matrices of a group, each transposed."""
        table = self.plan.table
        for (i, o), start in zip(table.paths, table.weight_starts, strict=False):
            target = self.k.at(self.scratch["transposed"], start)
            transpose(self.k, target, self.k.at(weights, start), table.blocks[i].mul, table.out_blocks[o].mul)
        return self.scratch["transposed"]

    @contextmanager
    def _pieces(self, block: Block, first: Value, last: Value) -> Iterator[tuple[Value, Value]]:
        """(first node, number of nodes) of the pieces in which the nodes of a group are worked on."""
        k = self.k
        step = nodes_at_once(block)
        with k.loop(first, last, step) as start:
            yield start, k.minimum(step, k.sub(last, start))

    def _rows(
        self, name: str, scratch: str, blocks: tuple[Block, ...], index: int, start: Value, nodes: Value
    ) -> Value:
        """The address of rows of some nodes, one after another."""
        if not self.plan.indexed:
            return self._node(name, blocks, index, start)
        k, size = self.k, blocks[index].size
        with k.loop(0, nodes) as node:
            source = self._node(name, blocks, index, self._index(k.add(start, node)))
            self._copy(k.at(self.scratch[scratch], k.mul(node, size)), source, size)
        return self.scratch[scratch]

    def _index(self, position: Value) -> Value:
        return self.k.load_int(self.values["order"], position)

    def _node(self, name: str, blocks: tuple[Block, ...], index: int, node: Value) -> Value:
        """The address of a node's rows in a block of a tensor."""
        k, start = self.k, sum(block.size for block in blocks[:index])
        return k.at(self.values[name], k.mul(self.values["num_nodes"], start), k.mul(node, blocks[index].size))

    def _copy(self, target: Value, source: Value, size: int) -> None:
        k = self.k
        for at, lanes in k.channels(size):
            k.store(k.load(k.at(source, at), lanes), k.at(target, at), lanes)
