"""EvoNorm on the CPU: value and gradient by compiled kernels, row by row.

With p = Σ_m g_m x_m of an irrep and z = v n, the gradients are gx = f g + gn dn/dx, gb = Σ g and

    S0:  gs = p sigmoid(z),   gz = p f (1 - sigmoid(z));
    B0:  gw = p / max(a, z + s),   gz = gs = -p f / max(a, z + s) where z + s is the larger one, else that is ga (equal: half of each);

    gv = gz n,   gn = gz v,   dn/dx = 1 for 0e, x / ((2l + 1) n) for others.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..evo_norms import EvoNorm
from .emit import Emitter, Value
from .functions import sigmoid
from .jit import compile_kernel, vector_bytes
from .jobs import run
from .memory import empty

_MIN_CHUNK, _MAX_CHUNKS = 256, 16
_PARAMETERS = {"S0": ["v", "s"], "B0": ["v", "s", "a", "w"]}


def evo_norm(x: Tensor, bias: Tensor, parameters: tuple[Tensor, ...], graph: Tensor, norm: EvoNorm) -> Tensor:
    """y (rows, dim), with bias (dim,), v, a, w (num_copies,), s (graphs, num_copies) and graph (rows,) int64."""
    out = empty(x.shape, x)
    _call("forward", norm, [], [out, x, bias, *parameters, graph], len(parameters[1]))
    return out


def evo_norm_backward(
    g: Tensor, x: Tensor, bias: Tensor, parameters: tuple[Tensor, ...], graph: Tensor, norm: EvoNorm
) -> tuple[Tensor, ...]:
    """Gradients of Σ g · evo_norm(x, bias, parameters, graph, norm) with respect to x, bias and each of the parameters."""
    gx, graphs = empty(x.shape, x), len(parameters[1])
    parts = [x.new_zeros(_num_chunks(len(x), graphs), *tensor.shape) for tensor in (bias, *parameters)]
    _call("backward", norm, parts, [gx, g, x, *parameters, graph], graphs)
    return gx, *(part.sum(0) for part in parts)


def _num_chunks(rows: int, graphs: int) -> int:
    """Depends on nothing but the input, so that every bit is the same for any number of threads; parts have a row for each graph."""
    return max(1, min(rows // _MIN_CHUNK, rows // graphs, _MAX_CHUNKS))


def _call(kind: str, norm: EvoNorm, parts: list[Tensor], tensors: list[Tensor], graphs: int) -> None:
    """Run a kernel on ranges of rows; each has its own part of the first tensors."""
    rows, number = len(tensors[0]), len(parts)
    chunks = _num_chunks(rows, graphs)
    arguments = np.empty((chunks, number + len(tensors) + 2), np.int64)
    for column, part in enumerate(parts):
        arguments[:, column] = part.data_ptr() + part.stride(0) * part.element_size() * np.arange(chunks)
    arguments[:, number:-2] = [tensor.data_ptr() for tensor in tensors]
    bounds = np.arange(chunks + 1) * rows // chunks
    arguments[:, -2], arguments[:, -1] = bounds[:-1], bounds[1:]
    run(_kernel(kind, norm, tensors[0].dtype), 0, arguments)


@cache
def _kernel(kind: str, norm: EvoNorm, dtype: torch.dtype) -> int:
    name = str(dtype).removeprefix("torch.")
    return compile_kernel(f"evo_norm_{kind}", f"{norm} {name}", lambda symbol: _Writer(symbol, kind, norm, name).text())


class _Writer:
    """Writes a kernel: what is done with a vector of irreps of one row."""

    def __init__(self, symbol: str, kind: str, norm: EvoNorm, dtype: str) -> None:
        self.kind, self.norm, self.parameters = kind, norm, _PARAMETERS[norm.kind]
        names = ["out", "x", "bias", *self.parameters, "graph"]
        if kind == "backward":
            names = ["gbias", *(f"g{name}" for name in self.parameters), "gx", "g", "x", *self.parameters, "graph"]
        width = vector_bytes() // (4 if dtype == "float32" else 8)
        self.k = Emitter(symbol, names, ["first", "last"], dtype, width)

    def text(self) -> str:
        k = self.k
        with k.loop(k.arguments["first"], k.arguments["last"]) as row:
            of_row = k.mul(row, self.norm.dim)
            of_graph = k.mul(k.load_int(k.arguments["graph"], row), self.norm.num_copies)
            first_copy = 0
            for start, mul, dim, is_scalar in self.norm.blocks:
                for at, lanes in k.channels(mul):
                    column = k.add(k.mul(at, dim), start)
                    self.place = {
                        name: k.at(pointer, *self._offsets(name, of_row, of_graph, column, k.add(at, first_copy)))
                        for name, pointer in k.arguments.items()
                    }
                    x = k.load_components(self.place["x"], dim, lanes)
                    getattr(self, self.kind)(x, self._size(x, is_scalar), is_scalar, lanes)
                first_copy += mul
        return k.text()

    def forward(self, x: list[Value], n: Value, is_scalar: bool, lanes: int) -> None:
        k, parameters = self.k, self._loaded(lanes)
        factor = getattr(self, f"factor_{self.norm.kind}")(n, **parameters)
        bias = k.load(self.place["bias"], lanes) if is_scalar else None
        k.store_components([k.fma(factor, component, bias) for component in x], self.place["out"], lanes)

    def backward(self, x: list[Value], n: Value, is_scalar: bool, lanes: int) -> None:
        k, parameters = self.k, self._loaded(lanes)
        g, product = k.load_components(self.place["g"], len(x), lanes), None
        for of_component, component in zip(g, x, strict=True):
            product = k.fma(of_component, component, product)
        factor, of_tilt, found = getattr(self, f"gradients_{self.norm.kind}")(product, n, **parameters)
        found["v"] = k.times(of_tilt, n)
        for name, gradient in found.items():
            self._add(f"g{name}", gradient, lanes)
        of_size = k.times(of_tilt, parameters["v"])
        if is_scalar:
            self._add("gbias", g[0], lanes)
            gx = [k.fma(factor, g[0], of_size)]
        else:
            slope = k.over(k.times(of_size, k.constant(1 / len(x))), n)
            gx = [k.fma(factor, one, k.times(slope, other)) for one, other in zip(g, x, strict=True)]
        k.store_components(gx, self.place["gx"], lanes)

    def factor_S0(self, n: Value, v: Value, s: Value) -> Value:
        return self.k.times(sigmoid(self.k, self.k.times(v, n)), s)

    def gradients_S0(self, product: Value, n: Value, v: Value, s: Value) -> tuple[Value, Value, dict[str, Value]]:
        """The factor, gz and the gradients of parameters but v."""
        k, gate = self.k, sigmoid(self.k, self.k.times(v, n))
        of_scale, factor = k.times(product, gate), k.times(gate, s)
        rest = k.fma(gate, k.constant(-1.0), k.constant(1.0))
        return factor, k.times(k.times(of_scale, s), rest), {"s": of_scale}

    def factor_B0(self, n: Value, v: Value, s: Value, a: Value, w: Value) -> Value:
        return self.k.over(w, self.k.larger(a, self.k.fma(v, n, s)))

    def gradients_B0(
        self, product: Value, n: Value, v: Value, s: Value, a: Value, w: Value
    ) -> tuple[Value, Value, dict[str, Value]]:
        k, one = self.k, self.k.constant(1.0)
        other = k.fma(v, n, s)
        divisor = k.larger(a, other)
        inverse = k.over(one, divisor)
        factor, of_w = k.times(w, inverse), k.times(product, inverse)
        of_divisor = k.times(k.times(of_w, factor), k.constant(-1.0))
        is_a, is_other = k.is_equal(divisor, a), k.is_equal(divisor, other)
        of_other = k.times(k.times(of_divisor, is_other), k.fma(is_a, k.constant(-0.5), one))
        of_a = k.fma(of_other, k.constant(-1.0), of_divisor)
        return factor, of_other, {"s": of_other, "a": of_a, "w": of_w}

    def _size(self, x: list[Value], is_scalar: bool) -> Value:
        """n."""
        if is_scalar:
            return x[0]
        k, square = self.k, None
        for component in x:
            square = k.fma(component, component, square)
        return k.sqrt(k.fma(square, k.constant(1 / len(x)), k.constant(self.norm.eps)))

    def _loaded(self, lanes: int) -> dict[str, Value]:
        return {name: self.k.load(self.place[name], lanes) for name in self.parameters}

    def _add(self, name: str, gradient: Value, lanes: int) -> None:
        k = self.k
        k.store(k.plus(k.load(self.place[name], lanes), gradient), self.place[name], lanes)

    def _offsets(self, name: str, of_row: Value, of_graph: Value, column: Value, copy: Value) -> tuple[Value, ...]:
        if name in ("out", "x", "g", "gx"):
            return of_row, column
        if name in ("bias", "gbias"):
            return (column,)
        if name in ("s", "gs"):
            return of_graph, copy
        return (copy,) if name.removeprefix("g") in self.parameters else (0,)
