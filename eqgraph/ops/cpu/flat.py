"""From rows of features to blocks and back on the CPU: vectors of neighboring irreps, transposed in registers."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..flat import Sizes
from .emit import Emitter
from .jit import compile_kernel, vector_bytes
from .jobs import run
from .memory import empty

_MIN_CHUNK, _MAX_CHUNKS = 256, 16


def to_flat(rows: Tensor, sizes: Sizes) -> Tensor:
    """See ops.flat."""
    flat = empty(rows.numel(), rows)
    _call("to_flat", flat, rows, sizes, len(rows))
    return flat


def from_flat(flat: Tensor, sizes: Sizes) -> Tensor:
    """See ops.flat."""
    dim = sum(mul * dim for mul, dim in sizes)
    rows = empty((flat.numel() // dim, dim), flat)
    _call("from_flat", flat, rows, sizes, len(rows))
    return rows


def _call(kind: str, flat: Tensor, rows: Tensor, sizes: Sizes, nodes: int) -> None:
    chunks = min(max(nodes // _MIN_CHUNK, 1), _MAX_CHUNKS)
    parts = [
        [flat.data_ptr(), rows.data_ptr(), nodes, chunk * nodes // chunks, (chunk + 1) * nodes // chunks]
        for chunk in range(chunks)
    ]
    run(_kernel(kind, sizes, flat.dtype), 0, np.array(parts, np.int64))


@cache
def _kernel(kind: str, sizes: Sizes, dtype: torch.dtype) -> int:
    name = str(dtype).removeprefix("torch.")
    return compile_kernel(kind, f"{sizes} {name}", lambda symbol: _source(symbol, kind, sizes, name))


def _source(symbol: str, kind: str, sizes: Sizes, dtype: str) -> str:
    width = vector_bytes() // (4 if dtype == "float32" else 8)
    k = Emitter(symbol, ["flat", "rows"], ["num_nodes", "first", "last"], dtype, width)
    total = sum(mul * dim for mul, dim in sizes)
    with k.loop(k.arguments["first"], k.arguments["last"]) as node:
        start = 0
        for mul, dim in sizes:
            for at, lanes in k.channels(mul):
                row = k.at(k.arguments["rows"], k.mul(node, total), start, k.mul(at, dim))
                block = k.at(k.arguments["flat"], k.mul(k.arguments["num_nodes"], start), k.mul(node, mul * dim), at)
                components = [k.at(block, m * mul) for m in range(dim)]
                if kind == "to_flat":
                    for value, address in zip(k.load_components(row, dim, lanes), components, strict=True):
                        k.store(value, address, lanes)
                else:
                    k.store_components([k.load(address, lanes) for address in components], row, lanes)
            start += mul * dim
    return k.text()
