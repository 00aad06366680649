"""Adds up what several chunks contributed to the same nodes."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from .emit import Emitter
from .jit import compile_kernel, vector_bytes
from .jobs import run

_MIN_NODES, _MAX_RANGES = 64, 16


def add_parts(total: Tensor, num_nodes: int, sizes: list[int], parts: np.ndarray) -> None:
    """total = Σ parts, in the order of the parts, so that every bit is the same each time.

    Args:
        total: what is written: a block (num_nodes, size) for each size, one after another.
        num_nodes: number of nodes.
        sizes: numbers per node of each block.
        parts: (parts, 3) int64: address of a part, first node, last + 1; a part holds blocks of these nodes.
    """
    ranges = min(max(num_nodes // _MIN_NODES, 1), _MAX_RANGES)
    bounds = np.arange(ranges + 1) * num_nodes // ranges
    arguments = np.empty((ranges * len(sizes), 8), np.int64)
    arguments[:, :2] = total.data_ptr(), parts.ctypes.data
    arguments[:, 2:4] = num_nodes, len(parts)
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    arguments[:, 4], arguments[:, 5] = np.repeat(starts, ranges), np.repeat(sizes, ranges)
    arguments[:, 6], arguments[:, 7] = np.tile(bounds[:-1], len(sizes)), np.tile(bounds[1:], len(sizes))
    run(_kernel(total.dtype), 0, arguments)


@cache
def _kernel(dtype: torch.dtype) -> int:
    name = str(dtype).removeprefix("torch.")
    return compile_kernel("add_parts", name, lambda symbol: _source(symbol, name))


def _source(symbol: str, dtype: str) -> str:
    width = vector_bytes() // (4 if dtype == "float32" else 8)
    integers = ["num_nodes", "num_parts", "start", "size", "first", "last"]
    k = Emitter(symbol, ["total", "parts"], integers, dtype, width)
    values = k.arguments
    block = k.at(values["total"], k.mul(values["num_nodes"], values["start"]))
    k.clear(
        k.at(block, k.mul(values["first"], values["size"])),
        k.mul(k.sub(values["last"], values["first"]), values["size"]),
    )
    with k.loop(0, values["num_parts"]) as part:
        entry = k.mul(part, 3)
        low, high = (k.load_int(values["parts"], k.add(entry, i)) for i in (1, 2))
        first, last = k.maximum(low, values["first"]), k.minimum(high, values["last"])
        with k.when(k.compare("slt", first, last)):
            count = k.mul(k.sub(last, first), values["size"])
            source = k.at(
                k.pointer(k.load_int(values["parts"], entry)),
                k.mul(k.sub(high, low), values["start"]),
                k.mul(k.sub(first, low), values["size"]),
            )
            target = k.at(block, k.mul(first, values["size"]))
            whole = k.mul(k.divide(count, width), width)
            with k.loop(0, whole, width) as i:
                k.store(k.plus(k.load(k.at(target, i)), k.load(k.at(source, i))), k.at(target, i))
            with k.loop(whole, count) as i:
                total = k.plus(k.load_scalar(k.at(target, i)), k.load_scalar(k.at(source, i)), scalar=True)
                k.store_scalar(total, k.at(target, i))
    return k.text()
