"""Local response normalization on the CPU: value and gradient by compiled kernels, row by row.

With f = s^(-3/4), p = Σ_m g_m x_m of an irrep and t = -3/2 share p f / s, the gradient is gx_c = f_c g_c + x_c Σ t_c', over
all c' that c is near of. Rows of q = share |x|², of t and of f are kept in scratch memory, each type between zeros.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..local_responses import LocalResponse, Run
from . import jobs
from .emit import Emitter, Value, scratch_offset
from .jit import compile_kernel, vector_bytes
from .memory import empty

_MIN_CHUNK, _MAX_CHUNKS = 256, 16
_POINTERS = {"forward": ["out", "x"], "backward": ["gx", "g", "x"]}


def local_response(x: Tensor, response: LocalResponse) -> Tensor:
    """y (rows, dim)."""
    out = empty(x.shape, x)
    _call("forward", [out, x], response)
    return out


def local_response_backward(g: Tensor, x: Tensor, response: LocalResponse) -> Tensor:
    """Gradient of Σ g · local_response(x, response)."""
    gx = empty(x.shape, x)
    _call("backward", [gx, g, x], response)
    return gx


def _call(kind: str, tensors: list[Tensor], response: LocalResponse) -> None:
    rows = len(tensors[0])
    chunks = min(max(rows // _MIN_CHUNK, 1), _MAX_CHUNKS)
    addresses = [tensor.data_ptr() for tensor in tensors]
    arguments = [[*addresses, chunk * rows // chunks, (chunk + 1) * rows // chunks] for chunk in range(chunks)]
    kernel, scratch_bytes = _kernel(kind, response, tensors[0].dtype)
    jobs.run(kernel, scratch_bytes, np.array(arguments, np.int64))


@cache
def _kernel(kind: str, response: LocalResponse, dtype: torch.dtype) -> tuple[int, int]:
    """And the scratch memory that it needs."""
    name, size = str(dtype).removeprefix("torch."), dtype.itemsize
    width = vector_bytes() // size
    kernel = compile_kernel(
        f"local_response_{kind}",
        f"{response} {name}",
        lambda symbol: _Writer(symbol, kind, response, name, width).text(),
    )
    return kernel, scratch_offset(0) + 3 * _row_size(response, width) * size


def _row_size(response: LocalResponse, width: int) -> int:
    """Numbers of scratch memory for one number per irrep."""
    kinds = len({run.kind for run in response.runs})
    return sum(run.mul for run in response.runs) + kinds * (2 * response.size + width)


class _Writer:
    """Writes a kernel."""

    def __init__(self, symbol: str, kind: str, response: LocalResponse, dtype: str, width: int) -> None:
        self.k, self.kind, self.response = (
            Emitter(symbol, _POINTERS[kind], ["first", "last"], dtype, width),
            kind,
            response,
        )
        self.row_size, self.starts, end = _row_size(response, width), {}, 0  # of each type in scratch memory
        for number in sorted({run.kind for run in response.runs}):
            self.starts[number] = end + response.size
            end += sum(run.mul for run in response.runs if run.kind == number) + 2 * response.size + width

    def text(self) -> str:
        k = self.k
        k.clear(k.arguments["floats"], 3 * self.row_size)
        with k.loop(k.arguments["first"], k.arguments["last"]) as row:
            self.of_row = k.mul(row, self.response.dim)
            for run, at, lanes in self._places():
                square = None
                for component in self._load("x", run, at, lanes):
                    square = k.fma(component, component, square)
                self._keep(0, run, at, lanes, k.times(square, k.constant(run.share)))
            if self.kind == "forward":
                for run, at, lanes in self._places():
                    factor, _ = self._factor(run, at)
                    self._store("out", run, at, lanes, [k.times(factor, x) for x in self._load("x", run, at, lanes)])
            else:
                self._backward()
        return k.text()

    def _backward(self) -> None:
        k = self.k
        for run, at, lanes in self._places():
            product, (factor, total) = None, self._factor(run, at)
            for g, x in zip(self._load("g", run, at, lanes), self._load("x", run, at, lanes), strict=True):
                product = k.fma(g, x, product)
            slope = k.over(k.times(k.times(product, factor), k.constant(-1.5 * run.share)), total)
            self._keep(1, run, at, lanes, slope)
            self._keep(2, run, at, lanes, factor)
        for run, at, lanes in self._places():
            factor = k.load(self._scratch(2, run, at, 0), lanes)
            slope = self._window(1, run, at, range(-((self.response.size - 1) // 2), self.response.size // 2 + 1))
            pairs = zip(self._load("g", run, at, lanes), self._load("x", run, at, lanes), strict=True)
            self._store("gx", run, at, lanes, [k.fma(factor, g, k.times(slope, x)) for g, x in pairs])

    def _places(self) -> Iterator[tuple[Run, Value, int]]:
        """Yields (run, first irrep, lanes) for code that is to be emitted once for each."""
        for run in self.response.runs:
            for at, lanes in self.k.channels(run.mul):
                yield run, at, lanes

    def _factor(self, run: Run, at: Value) -> tuple[Value, Value]:
        """s^(-3/4) and s."""
        k, size = self.k, self.response.size
        total = k.plus(self._window(0, run, at, range(-(size // 2), (size - 1) // 2 + 1)), k.constant(self.response.k))
        root = k.rsqrt(total)
        return k.times(root, k.sqrt(root)), total

    def _window(self, number: int, run: Run, at: Value, offsets: range) -> Value:
        total = self.k.constant(0.0)
        for offset in offsets:
            total = self.k.plus(total, self.k.load(self._scratch(number, run, at, offset)))
        return total

    def _keep(self, number: int, run: Run, at: Value, lanes: int, value: Value) -> None:
        self.k.store(value, self._scratch(number, run, at, 0), lanes)

    def _scratch(self, number: int, run: Run, at: Value, offset: int) -> Value:
        place = number * self.row_size + self.starts[run.kind] + run.position + offset
        return self.k.at(self.k.arguments["floats"], at, place)

    def _address(self, name: str, run: Run, at: Value) -> Value:
        return self.k.at(self.k.arguments[name], self.of_row, self.k.mul(at, run.dim), run.start)

    def _load(self, name: str, run: Run, at: Value, lanes: int) -> list[Value]:
        return self.k.load_components(self._address(name, run, at), run.dim, lanes)

    def _store(self, name: str, run: Run, at: Value, lanes: int, components: list[Value]) -> None:
        self.k.store_components(components, self._address(name, run, at), lanes)
