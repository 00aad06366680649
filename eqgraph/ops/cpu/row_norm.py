"""Normalization of each row by its own statistics on the CPU: value and gradient by compiled kernels, row by row, as rows fit into L1.

With c = x - μ and r = 1 / sqrt(σ² + ε), where σ² = Σ share c² over the columns of a statistic,

    y = c r w + b;    gc = g r w - share c r³ Σ g c w,    gx = gc - mean of gc (where a mean was subtracted; that of c is zero),
                      gw = Σ g c r,    gb = Σ g           over rows, or over those of a type.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..row_norms import Group, RowNorm
from .emit import Emitter, Value
from .jit import compile_kernel, vector_bytes
from .jobs import run
from .memory import empty
from .sums import Sum

_MIN_CHUNK, _MAX_CHUNKS = 256, 16
_POINTERS = {
    "forward": ["out", "x", "weight", "bias", "types"],
    "backward": ["gweight", "gbias", "gx", "g", "x", "weight", "types"],
}


def row_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, types: Tensor | None, norm: RowNorm) -> Tensor:
    """y (rows, dim), with weight and bias (dim,), or (num_types, dim) with types (rows,) int64; None: one, zero, one type."""
    out = empty(x.shape, x)
    has = weight is not None, bias is not None, types is not None
    _call(_kernel("forward", norm, x.dtype, *has), [], [out, x, weight, bias, types], len(x))
    return out


def row_norm_backward(
    g: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None, types: Tensor | None, norm: RowNorm
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Gradients of Σ g · row_norm(x, weight, bias, types, norm) with respect to x, weight and bias, None where there is none."""
    gx, chunks = empty(x.shape, x), _num_chunks(len(x))
    parts = [None if tensor is None else x.new_zeros(chunks, *tensor.shape) for tensor in (weight, bias)]
    has = weight is not None, bias is not None, types is not None
    _call(_kernel("backward", norm, x.dtype, *has), parts, [gx, g, x, weight, types], len(x))
    return gx, *(None if part is None else part.sum(0) for part in parts)


def _num_chunks(rows: int) -> int:
    """Depends on nothing but the number of rows, so that every bit is the same for any number of threads."""
    return min(max(rows // _MIN_CHUNK, 1), _MAX_CHUNKS)


def _call(kernel: int, parts: list[Tensor | None], tensors: list[Tensor | None], rows: int) -> None:
    """Run a kernel on ranges of rows; each has its own part of the first tensors."""
    chunks = _num_chunks(rows)
    arguments, number = np.empty((chunks, len(parts) + len(tensors) + 2), np.int64), len(parts)
    for column, part in enumerate(parts):
        size = 0 if part is None else part.stride(0) * part.element_size()
        arguments[:, column] = _address(part) + size * np.arange(chunks)
    arguments[:, number:-2] = [_address(tensor) for tensor in tensors]
    bounds = np.arange(chunks + 1) * rows // chunks
    arguments[:, -2], arguments[:, -1] = bounds[:-1], bounds[1:]
    run(kernel, 0, arguments)


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


@cache
def _kernel(kind: str, norm: RowNorm, dtype: torch.dtype, has_weight: bool, has_bias: bool, has_types: bool) -> int:
    options = str(dtype).removeprefix("torch."), has_weight, has_bias, has_types
    return compile_kernel(
        f"row_norm_{kind}", f"{norm} {options}", lambda symbol: _Writer(symbol, kind, norm, *options).text()
    )


class _Writer:
    """Writes a kernel: for each row and statistic two or three passes over its columns."""

    def __init__(
        self, symbol: str, kind: str, norm: RowNorm, dtype: str, has_weight: bool, has_bias: bool, has_types: bool
    ) -> None:
        width = vector_bytes() // (4 if dtype == "float32" else 8)
        self.k = Emitter(symbol, _POINTERS[kind], ["first", "last"], dtype, width)
        self.kind, self.norm = kind, norm
        self.has_weight, self.has_bias, self.has_types = has_weight, has_bias, has_types
        self.rows: dict[str, Value] = {}  # addresses of what belongs to the row

    def text(self) -> str:
        k, dim = self.k, self.norm.dim
        with k.loop(k.arguments["first"], k.arguments["last"]) as row:
            of_row = k.mul(row, dim)
            of_type = k.mul(k.load_int(k.arguments["types"], row), dim) if self.has_types else 0
            for name in _POINTERS[self.kind]:
                self.rows[name] = k.at(k.arguments[name], of_row if name in ("out", "gx", "g", "x") else of_type)
            for groups in self.norm.statistics:
                if self.kind == "forward":
                    self.forward(groups)
                else:
                    self.backward(groups)
        return k.text()

    def forward(self, groups: tuple[Group, ...]) -> None:
        k, square, shifts = self.k, Sum(self.k), []
        for group in groups:
            shifts.append(self._shift(group))
            own = Sum(k)
            for at, lanes in self._columns(group):
                centred = self._centred(at, lanes, shifts[-1])
                own.add(centred, centred)
            square.add(own.lanes(), k.constant(group.share))
        scale = self._scale(square)
        for group, shift in zip(groups, shifts, strict=True):
            for at, lanes in self._columns(group):
                bias = self._load("bias", at, lanes) if self.has_bias else None
                out = k.fma(self._centred(at, lanes, shift), self._weighted(scale, at, lanes), bias)
                k.store(out, k.at(self.rows["out"], at), lanes)

    def backward(self, groups: tuple[Group, ...]) -> None:
        k, square, product, shifts, means = self.k, Sum(self.k), Sum(self.k), [], []
        for group in groups:
            shifts.append(self._shift(group))
            own, total = Sum(k), Sum(k)
            for at, lanes in self._columns(group):
                centred, g = self._centred(at, lanes, shifts[-1]), self._weighted(self._load("g", at, lanes), at, lanes)
                own.add(centred, centred)
                product.add(centred, g)
                if group.centres:
                    total.add(g, k.constant(-1.0 / _size(group)))
            square.add(own.lanes(), k.constant(group.share))
            means.append(total.everywhere() if group.centres else None)
        scale = self._scale(square)
        of_square = k.times(k.times(k.times(scale, scale), k.times(scale, k.constant(-1.0))), product.everywhere())
        for group, shift, mean in zip(groups, shifts, means, strict=True):
            slope = k.times(of_square, k.constant(group.share))
            rest = None if mean is None else k.times(mean, scale)
            for at, lanes in self._columns(group):
                centred, g = self._centred(at, lanes, shift), self._load("g", at, lanes)
                gx = k.fma(self._weighted(g, at, lanes), scale, k.fma(centred, slope, rest))
                k.store(gx, k.at(self.rows["gx"], at), lanes)
                if self.has_weight:
                    gweight = k.fma(k.times(g, centred), scale, self._load("gweight", at, lanes))
                    k.store(gweight, k.at(self.rows["gweight"], at), lanes)
                if self.has_bias:
                    k.store(k.plus(g, self._load("gbias", at, lanes)), k.at(self.rows["gbias"], at), lanes)

    def _columns(self, group: Group) -> Iterator[tuple[Value, int]]:
        """Yields (first column, lanes) for code that is to be emitted once for each."""
        for start, stop in group.spans:
            for at, lanes in self.k.channels(stop - start):
                yield self.k.add(at, start), lanes

    def _load(self, name: str, at: Value, lanes: int) -> Value:
        return self.k.load(self.k.at(self.rows[name], at), lanes)

    def _shift(self, group: Group) -> Value | None:
        """-μ."""
        if not group.centres:
            return None
        total = Sum(self.k)
        for at, lanes in self._columns(group):
            total.add(self._load("x", at, lanes), self.k.constant(-1.0 / _size(group)))
        return total.everywhere()

    def _centred(self, at: Value, lanes: int, shift: Value | None) -> Value:
        """x - μ, zero beyond the lanes."""
        x = self._load("x", at, lanes)
        return x if shift is None else self.k.keep(self.k.plus(x, shift), lanes)

    def _weighted(self, value: Value, at: Value, lanes: int) -> Value:
        return self.k.times(value, self._load("weight", at, lanes)) if self.has_weight else value

    def _scale(self, square: "Sum") -> Value:
        """1 / sqrt(σ² + ε)."""
        return self.k.rsqrt(self.k.plus(square.everywhere(), self.k.constant(self.norm.eps)))


def _size(group: Group) -> int:
    return sum(stop - start for start, stop in group.spans)
