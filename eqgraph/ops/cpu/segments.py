"""Sums over the edges of each receiver, and their inverse, on the CPU."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..edges import SortedEdges
from .emit import Emitter
from .jit import compile_kernel, vector_bytes
from .jobs import run
from .memory import empty

_ARGUMENTS = ["out", "values", "order", "ptr"], ["first_row", "last_row", "accumulate"]


def segment_sum(values: Tensor, edges: SortedEdges) -> Tensor:
    """(edges, columns) -> (num_dst, columns): the sum over the edges of each receiver."""
    out = empty((edges.num_dst, values.shape[1]), values)
    _call("sum", out, values, edges)
    return out


def gather(values: Tensor, edges: SortedEdges) -> Tensor:
    """(num_dst, columns) -> (edges, columns): what each edge's receiver has."""
    out = empty((edges.index.shape[1], values.shape[1]), values)
    _call("gather", out, values, edges)
    return out


def _call(kind: str, out: Tensor, values: Tensor, edges: SortedEdges) -> None:
    chunks, ptr = edges.chunks.numpy(), edges.ptr
    arguments = np.empty((len(chunks), 7), np.int64)
    arguments[:, :3] = out.data_ptr(), values.data_ptr(), edges.order.data_ptr()
    arguments[:, 4:6] = chunks[:, :2]
    for phase in range(len(ptr)):
        arguments[:, 3], arguments[:, 6] = ptr.data_ptr() + 4 * phase * ptr.shape[1], phase > 0
        run(_kernel(kind, values.shape[1], values.dtype), 0, arguments)


@cache
def _kernel(kind: str, columns: int, dtype: torch.dtype) -> int:
    name = str(dtype).removeprefix("torch.")
    return compile_kernel(f"segment_{kind}", f"{columns} {name}", lambda symbol: _source(symbol, kind, columns, name))


def _source(symbol: str, kind: str, columns: int, dtype: str) -> str:
    width = vector_bytes() // (4 if dtype == "float32" else 8)
    k = Emitter(symbol, *_ARGUMENTS, dtype, width)
    values = k.arguments
    more = k.compare("ne", values["accumulate"], 0)
    with k.loop(values["first_row"], values["last_row"]) as row:
        start, stop = k.load_index(values["ptr"], row), k.load_index(values["ptr"], k.add(row, 1))
        for column, lanes in k.channels(columns):
            at_row = k.add(k.mul(row, columns), column)
            if kind == "sum":
                address = k.at(values["out"], at_row)
                total = k.variable(k.vector)
                k.set(total, k.vector, k.load(address, lanes, more))
                with k.loop(start, stop) as position:
                    edge = k.mul(k.load_index(values["order"], position), columns)
                    term = k.load(k.at(values["values"], edge, column), lanes)
                    k.set(total, k.vector, k.plus(k.get(total, k.vector), term))
                k.store(k.get(total, k.vector), address, lanes)
            else:
                value = k.load(k.at(values["values"], at_row), lanes)
                with k.loop(start, stop) as position:
                    edge = k.mul(k.load_index(values["order"], position), columns)
                    k.store(value, k.at(values["out"], edge, column), lanes)
    return k.text()
