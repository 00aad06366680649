"""The gated nonlinearity on the CPU: value, gradient and second gradient by compiled kernels, node by node.

With y = c f(x) for scalars and y_m = c f(z) x_m for gated irreps, the gradients are

    gx = c f'(x) g;                gx_m = c f(z) g_m,   gz = c f'(z) Σ_m g_m x_m,

and those of Σ a gx (+ α gz, α belonging to the gate)

    dg = c f'(x) a,                dg_m = c (f(z) a_m + α f'(z) x_m),
    dx = c f''(x) g a;             dx_m = c α f'(z) g_m,   dz = c (f'(z) Σ_m g_m a_m + α f''(z) Σ_m g_m x_m).
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..blocks import Block
from ..gates import Channels, Gated, GateTable, Scalars
from .emit import Emitter, Value
from .functions import derivatives, function
from .jit import compile_kernel, vector_bytes
from .jobs import run
from .memory import empty

_MIN_CHUNK, _MAX_CHUNKS = 256, 16
_POINTERS = {"forward": ["out", "x"], "backward": ["gx", "g", "x"], "double_backward": ["dg", "dx", "a", "g", "x"]}


def gate(x: Tensor, table: GateTable) -> Tensor:
    """The value: see ops.gate."""
    nodes = x.numel() // max(table.dim_in, 1)
    out = empty(nodes * table.dim_out, x)
    _call("forward", [out, x], table, nodes)
    return out


def gate_backward(g: Tensor, x: Tensor, table: GateTable) -> Tensor:
    """Gradient of Σ g · gate(x) with respect to x."""
    gx = empty(x.numel(), x)
    _call("backward", [gx, g, x], table, x.numel() // max(table.dim_in, 1))
    return gx


def gate_double_backward(a: Tensor, g: Tensor, x: Tensor, table: GateTable) -> tuple[Tensor, Tensor]:
    """Gradients of Σ a · gate_backward(g, x) with respect to g and x."""
    dg, dx = empty(g.numel(), g), empty(x.numel(), x)
    _call("double_backward", [dg, dx, a, g, x], table, x.numel() // max(table.dim_in, 1))
    return dg, dx


def _call(kind: str, tensors: list[Tensor], table: GateTable, nodes: int) -> None:
    chunks = min(max(nodes // _MIN_CHUNK, 1), _MAX_CHUNKS)
    addresses = [tensor.data_ptr() for tensor in tensors]
    rows = [[*addresses, nodes, chunk * nodes // chunks, (chunk + 1) * nodes // chunks] for chunk in range(chunks)]
    run(_kernel(kind, table.key, tensors[0].dtype), 0, np.array(rows, np.int64))


@cache
def _kernel(kind: str, key: str, dtype: torch.dtype) -> int:
    name, table = str(dtype).removeprefix("torch."), GateTable.from_key(key)
    return compile_kernel(f"gate_{kind}", f"{key} {name}", lambda symbol: _source(symbol, kind, table, name))


def _source(symbol: str, kind: str, table: GateTable, dtype: str) -> str:
    width = vector_bytes() // (4 if dtype == "float32" else 8)
    k = Emitter(symbol, _POINTERS[kind], ["num_nodes", "first", "last"], dtype, width)
    writer = _Writer(k, table)
    with k.loop(k.arguments["first"], k.arguments["last"]) as node:
        for entry in table.scalars:
            for at, lanes in k.channels(entry.mul):
                getattr(writer, f"scalars_{kind}")(entry, _Place(writer, node, at, lanes))
        for entry in table.gated:
            for at, lanes in k.channels(entry.mul):
                getattr(writer, f"gated_{kind}")(entry, _Place(writer, node, at, lanes))
    return k.text()


class _Place:
    """A vector of channels of one node: reads and writes it in any tensor."""

    def __init__(self, writer: "_Writer", node: Value, at: Value, lanes: int) -> None:
        self._writer, self._node, self._at, self._lanes = writer, node, at, lanes

    def load(self, name: str, channels: Channels, m: int = 0) -> Value:
        return self._writer.k.load(self._address(name, channels, m), self._lanes)

    def store(self, value: Value, name: str, channels: Channels, m: int = 0) -> None:
        self._writer.k.store(value, self._address(name, channels, m), self._lanes)

    def _address(self, name: str, channels: Channels, m: int) -> Value:
        k, blocks = self._writer.k, self._writer.blocks_of(name)
        block, start = blocks[channels.block], sum(block.size for block in blocks[: channels.block])
        return k.at(
            k.arguments[name],
            k.mul(k.arguments["num_nodes"], start),
            k.mul(self._node, block.size),
            m * block.mul + channels.first,
            self._at,
        )


class _Writer:
    """What is done with a vector of channels of one node."""

    def __init__(self, k: Emitter, table: GateTable) -> None:
        self.k, self.table = k, table

    def blocks_of(self, name: str) -> tuple[Block, ...]:
        return self.table.out_blocks if name in ("out", "g", "dg") else self.table.blocks

    def scalars_forward(self, entry: Scalars, place: _Place) -> None:
        value = function(self.k, entry.function, place.load("x", entry.source))
        place.store(self._scaled(entry, value), "out", entry.target)

    def scalars_backward(self, entry: Scalars, place: _Place) -> None:
        _, slope, _ = derivatives(self.k, entry.function, place.load("x", entry.source))
        g = self._scaled(entry, place.load("g", entry.target))
        place.store(self.k.times(slope, g), "gx", entry.source)

    def scalars_double_backward(self, entry: Scalars, place: _Place) -> None:
        k = self.k
        _, slope, bend = derivatives(k, entry.function, place.load("x", entry.source))
        a = self._scaled(entry, place.load("a", entry.source))
        place.store(k.times(slope, a), "dg", entry.target)
        place.store(k.times(k.times(bend, a), place.load("g", entry.target)), "dx", entry.source)

    def gated_forward(self, entry: Gated, place: _Place) -> None:
        value = self._scaled(entry, function(self.k, entry.function, place.load("x", entry.gate)))
        for m in self._components(entry):
            place.store(self.k.times(value, place.load("x", entry.source, m)), "out", entry.target, m)

    def gated_backward(self, entry: Gated, place: _Place) -> None:
        k = self.k
        value, slope, _ = derivatives(k, entry.function, place.load("x", entry.gate))
        value, total = self._scaled(entry, value), None
        for m in self._components(entry):
            g = place.load("g", entry.target, m)
            total = k.fma(g, place.load("x", entry.source, m), total)
            place.store(k.times(value, g), "gx", entry.source, m)
        place.store(k.times(self._scaled(entry, slope), total), "gx", entry.gate)

    def gated_double_backward(self, entry: Gated, place: _Place) -> None:
        k = self.k
        functions = derivatives(k, entry.function, place.load("x", entry.gate))
        value, slope, bend = (self._scaled(entry, vector) for vector in functions)
        alpha, with_x, with_a = place.load("a", entry.gate), None, None
        tilt = k.times(alpha, slope)
        for m in self._components(entry):
            x, g, a = (
                place.load("x", entry.source, m),
                place.load("g", entry.target, m),
                place.load("a", entry.source, m),
            )
            with_x, with_a = k.fma(g, x, with_x), k.fma(g, a, with_a)
            place.store(k.fma(value, a, k.times(tilt, x)), "dg", entry.target, m)
            place.store(k.times(tilt, g), "dx", entry.source, m)
        place.store(k.fma(slope, with_a, k.times(k.times(alpha, bend), with_x)), "dx", entry.gate)

    def _components(self, entry: Gated) -> range:
        return range(self.table.blocks[entry.source.block].dim)

    def _scaled(self, entry: Scalars | Gated, vector: Value) -> Value:
        return self.k.times(vector, self.k.constant(entry.constant))
