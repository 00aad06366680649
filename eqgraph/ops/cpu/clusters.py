"""Soft clusters of rows on the CPU: value and gradient by compiled kernels, one pass over the features each.

With the share s_k of a row in cluster k:

    mix:      y = shift + x (1 + Σ_k s_k w_k);    gx = g (1 + Σ_k s_k w_k),   gs_k = Σ g x w_k,    gw_k = Σ_rows s_k g x
    squares:  S_k = Σ_rows (s_k x - μ_k)²;        gx = Σ_k q_k s_k,           gs_k = Σ q_k x,      gμ_k = -Σ_rows q_k

where q_k = 2 g_k (s_k x - μ_k).
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from . import jobs
from .emit import Emitter, Value
from .jit import compile_kernel, vector_bytes
from .memory import empty
from .sums import Sum

_MIN_CHUNK, _MAX_CHUNKS = 256, 16
_POINTERS = {
    "mix": ["out", "x", "share", "weight", "shift"],
    "mix_backward": ["gweight", "gshift", "gx", "gshare", "g", "x", "share", "weight"],
    "squares": ["out", "x", "share", "mean"],
    "squares_backward": ["gmean", "gx", "gshare", "g", "x", "share", "mean"],
}


def cluster_mix(x: Tensor, share: Tensor, weight: Tensor, shift: Tensor) -> Tensor:
    """y (rows, dim), with share (rows, clusters), weight (clusters, dim) and shift (dim,)."""
    out = empty(x.shape, x)
    _call("mix", [], [out, x, share, weight, shift], share)
    return out


def cluster_mix_backward(g: Tensor, x: Tensor, share: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    """Gradients of Σ g · y with respect to x, share, weight and shift."""
    gx, gshare = empty(x.shape, x), torch.empty_like(share)
    parts = [x.new_zeros(_num_chunks(len(x)), *shape) for shape in (weight.shape, weight.shape[1:])]
    _call("mix_backward", parts, [gx, gshare, g, x, share, weight], share)
    return gx, gshare, *(part.sum(0) for part in parts)


def cluster_squares(x: Tensor, share: Tensor, mean: Tensor) -> Tensor:
    """S (clusters, dim), with share (rows, clusters) and mean (clusters, dim)."""
    parts = x.new_zeros(_num_chunks(len(x)), *mean.shape)
    _call("squares", [parts], [x, share, mean], share)
    return parts.sum(0)


def cluster_squares_backward(g: Tensor, x: Tensor, share: Tensor, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of Σ g · S with respect to x, share and mean."""
    gx, gshare = empty(x.shape, x), torch.empty_like(share)
    parts = x.new_zeros(_num_chunks(len(x)), *mean.shape)
    _call("squares_backward", [parts], [gx, gshare, g, x, share, mean], share)
    return gx, gshare, parts.sum(0)


def _num_chunks(rows: int) -> int:
    """Depends on nothing but the number of rows, so that every bit is the same for any number of threads."""
    return min(max(rows // _MIN_CHUNK, 1), _MAX_CHUNKS)


def _call(kind: str, parts: list[Tensor], tensors: list[Tensor], share: Tensor) -> None:
    """Run a kernel on ranges of rows; each has its own part of the first tensors."""
    rows, clusters = share.shape
    x, number, chunks = tensors[_POINTERS[kind].index("x") - len(parts)], len(parts), _num_chunks(rows)
    arguments = np.empty((chunks, number + len(tensors) + 2), np.int64)
    for column, part in enumerate(parts):
        arguments[:, column] = part.data_ptr() + part.stride(0) * part.element_size() * np.arange(chunks)
    arguments[:, number:-2] = [tensor.data_ptr() for tensor in tensors]
    bounds = np.arange(chunks + 1) * rows // chunks
    arguments[:, -2], arguments[:, -1] = bounds[:-1], bounds[1:]
    jobs.run(_kernel(kind, x.shape[1], clusters, x.dtype), 0, arguments)


@cache
def _kernel(kind: str, dim: int, clusters: int, dtype: torch.dtype) -> int:
    name = str(dtype).removeprefix("torch.")
    return compile_kernel(
        f"cluster_{kind}", f"{dim} {clusters} {name}", lambda symbol: _source(symbol, kind, dim, clusters, name)
    )


def _source(symbol: str, kind: str, dim: int, clusters: int, dtype: str) -> str:
    width = vector_bytes() // (4 if dtype == "float32" else 8)
    k = Emitter(symbol, _POINTERS[kind], ["first", "last"], dtype, width)
    write = {"mix": _mix, "mix_backward": _mix_backward, "squares": _squares, "squares_backward": _squares_backward}[
        kind
    ]
    with k.loop(k.arguments["first"], k.arguments["last"]) as row:
        of_row, at_share = k.mul(row, dim), k.mul(row, clusters)
        shares = [k.splat(k.load_scalar(k.at(k.arguments["share"], at_share, i))) for i in range(clusters)]
        of_shares = [Sum(k) for _ in shares] if "gshare" in k.arguments else []
        for column, lanes in k.channels(dim):

            def address(name: str, cluster: int = 0, column: Value = column) -> Value:
                is_feature = name in ("x", "gx") or name == (
                    "out" if kind == "mix" else "g" if kind == "mix_backward" else ""
                )
                return k.at(k.arguments[name], of_row if is_feature else cluster * dim, column)

            write(k, address, lanes, shares, of_shares)
        for i, total in enumerate(of_shares):
            k.store_scalar(k.sum_lanes(total.lanes()), k.at(k.arguments["gshare"], at_share, i))
    return k.text()


def _mix(k: Emitter, address: Callable, lanes: int, shares: list[Value], _: list[Sum]) -> None:
    scale, x = _scale(k, address, lanes, shares), k.load(address("x"), lanes)
    k.store(k.fma(x, scale, k.load(address("shift"), lanes)), address("out"), lanes)


def _mix_backward(k: Emitter, address: Callable, lanes: int, shares: list[Value], of_shares: list[Sum]) -> None:
    g = k.load(address("g"), lanes)
    product = k.times(g, k.load(address("x"), lanes))
    for i, (share, of_share) in enumerate(zip(shares, of_shares, strict=True)):
        of_share.add(product, k.load(address("weight", i), lanes))
        k.store(k.fma(share, product, k.load(address("gweight", i), lanes)), address("gweight", i), lanes)
    k.store(k.plus(g, k.load(address("gshift"), lanes)), address("gshift"), lanes)
    k.store(k.times(g, _scale(k, address, lanes, shares)), address("gx"), lanes)


def _scale(k: Emitter, address: Callable, lanes: int, shares: list[Value]) -> Value:
    scale = k.constant(1.0)
    for i, share in enumerate(shares):
        scale = k.fma(share, k.load(address("weight", i), lanes), scale)
    return scale


def _squares(k: Emitter, address: Callable, lanes: int, shares: list[Value], _: list[Sum]) -> None:
    x = k.load(address("x"), lanes)
    for i, share in enumerate(shares):
        centred = _centred(k, address, lanes, x, share, i)
        k.store(k.fma(centred, centred, k.load(address("out", i), lanes)), address("out", i), lanes)


def _squares_backward(k: Emitter, address: Callable, lanes: int, shares: list[Value], of_shares: list[Sum]) -> None:
    x, gx = k.load(address("x"), lanes), None
    for i, (share, of_share) in enumerate(zip(shares, of_shares, strict=True)):
        g = k.times(k.load(address("g", i), lanes), k.constant(2.0))
        slope = k.times(g, _centred(k, address, lanes, x, share, i))
        gx = k.fma(slope, share, gx)
        of_share.add(slope, x)
        k.store(k.fma(slope, k.constant(-1.0), k.load(address("gmean", i), lanes)), address("gmean", i), lanes)
    k.store(gx, address("gx"), lanes)


def _centred(k: Emitter, address: Callable, lanes: int, x: Value, share: Value, cluster: int) -> Value:
    return k.fma(k.load(address("mean", cluster), lanes), k.constant(-1.0), k.times(share, x))
