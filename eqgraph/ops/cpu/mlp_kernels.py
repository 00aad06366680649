"""Writes the kernels of the multi-layer perceptron: value, gradient, second gradient, for blocks of rows that stay in a cache.

Of layers z_i = h_{i-1} M_i, h_i = silu(z_i), the value is h_k or, without an activation at the end, z_k. With the gradient g of the
value the chain rule gives, from the last layer to the first,

    v_k = g,   u_i = v_i silu'(z_i),   v_{i-1} = u_i M_iᵀ,   gh = v_0,   gM_i = h_{i-1}ᵀ u_i.

The second gradient is that of Σ a · gh. From the first layer to the last, then back,

    t_0 = a,   p_i = t_{i-1} M_i,   t_i = p_i silu'(z_i),   dg = t_k,
    q_i = p_i v_i silu''(z_i) + (q_{i+1} M_{i+1}ᵀ) silu'(z_i),   dh = q_1 M_1ᵀ,   dM_i = t_{i-1}ᵀ u_i + h_{i-1}ᵀ q_i;

where there is no activation at the end, u_k = v_k, t_k = p_k and q_k = 0. Hidden values are computed anew by each kernel.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from .emit import Emitter, Value
from .functions import derivatives, function
from .gemm import gemm, transpose
from .jit import vector_bytes

BLOCK = 64
"""Rows whose hidden values are kept at a time."""
POINTERS = {
    "forward": ["out", "h", "matrices"],
    "backward": ["gmatrices", "gh", "g", "h", "matrices"],
    "double_backward": ["dmatrices", "dg", "dh", "a", "g", "h", "matrices"],
}
_SCRATCH = {
    "forward": ["h"],
    "backward": ["h", "slope", "v"],
    "double_backward": ["h", "slope", "bend", "v", "u", "t", "q"],
}


class MlpPlan(NamedTuple):
    """What a kernel depends on."""

    kind: str
    widths: tuple[int, ...]
    activated: bool
    learns: bool
    dtype: str

    @property
    def scratch_bytes(self) -> int:
        """Memory for the hidden values of a block of rows, and for transposed matrices."""
        numbers = len(_SCRATCH[self.kind]) * BLOCK * sum(self.widths[1:])
        return (numbers + self.num_weights * (self.kind != "forward")) * (4 if self.dtype == "float32" else 8)

    @property
    def num_weights(self) -> int:
        """Numbers of all matrices."""
        return sum(a * b for a, b in pairwise(self.widths))


class _Rows(NamedTuple):
    """A matrix of the current block of rows."""

    address: Value
    width: int


def source(plan: MlpPlan, name: str) -> str:
    """The LLVM text of the kernel of a plan, as a function of this name."""
    k = Emitter(
        name,
        POINTERS[plan.kind],
        ["first", "last"],
        plan.dtype,
        vector_bytes() // (4 if plan.dtype == "float32" else 8),
    )
    _Writer(plan, k).write()
    return k.text()


class _Writer:
    """The state while one kernel is written."""

    def __init__(self, plan: MlpPlan, k: Emitter) -> None:
        self.plan, self.k, self.values = plan, k, k.arguments
        self.widths, self.depth = plan.widths, len(plan.widths) - 1
        self.rows: Value = 0
        starts = [sum(a * b for a, b in pairwise(plan.widths[: i + 1])) for i in range(self.depth)]
        names = [name for name in ("matrices", "gmatrices", "dmatrices") if name in self.values]
        self.matrices = {name: [k.at(self.values[name], start) for start in starts] for name in names}
        self.scratch, start = {}, 0
        for name in _SCRATCH[plan.kind]:
            for layer in range(1, self.depth + 1):
                self.scratch[name, layer] = _Rows(k.at(self.values["floats"], start), plan.widths[layer])
                start += BLOCK * plan.widths[layer]
        self.matrices["transposed"] = [k.at(self.values["floats"], start, its_start) for its_start in starts]

    def write(self) -> None:
        k = self.k
        for name in ("gmatrices", "dmatrices"):
            if name in self.values and self.plan.learns:
                k.clear(self.values[name], self.plan.num_weights)
        if self.plan.kind != "forward":
            pairs = zip(self.matrices["transposed"], self.matrices["matrices"], pairwise(self.widths), strict=True)
            for target, matrix, shape in pairs:
                transpose(k, target, matrix, *shape)
        with k.loop(self.values["first"], self.values["last"], BLOCK) as start:
            self.rows = k.minimum(BLOCK, k.sub(self.values["last"], start))
            ends = {"out": -1, "g": -1, "dg": -1, "h": 0, "gh": 0, "a": 0, "dh": 0}
            self.block = {
                name: _Rows(k.at(self.values[name], k.mul(start, self.widths[end])), self.widths[end])
                for name, end in ends.items()
                if name in self.values
            }
            getattr(self, "_" + self.plan.kind)()

    def _forward(self) -> None:
        left = self.block["h"]
        for layer in range(1, self.depth + 1):
            result = self.scratch["h", layer] if self._active(layer) else self.block["out"]
            self._times_matrix(result, left, layer)
            if self._active(layer):
                left = result if layer < self.depth else self.block["out"]
                self._map([left], [result], lambda z: [function(self.k, "silu", z)])

    def _backward(self) -> None:
        self._hidden(["h", "slope"], lambda z: derivatives(self.k, "silu", z)[:2])
        u = self.block["g"]
        for layer in range(self.depth, 0, -1):
            if self._active(layer):
                self._map([self.scratch["v", layer]], [u, self.scratch["slope", layer]], self._product)
                u = self.scratch["v", layer]
            if self.plan.learns:
                self._add_to_matrix("gmatrices", layer, self._h(layer - 1), u)
            result = self.scratch["v", layer - 1] if layer > 1 else self.block["gh"]
            self._times_transposed(result, u, layer)
            u = result

    def _double_backward(self) -> None:
        self._hidden(["h", "slope", "bend"], lambda z: derivatives(self.k, "silu", z))
        v, u = {self.depth: self.block["g"]}, {self.depth: self.block["g"]}
        for layer in range(self.depth, 0, -1):
            if self._active(layer):
                u[layer] = self.scratch["u", layer]
                self._map([u[layer]], [v[layer], self.scratch["slope", layer]], self._product)
            if layer > 1:
                v[layer - 1] = self.scratch["v", layer - 1]
                self._times_transposed(v[layer - 1], u[layer], layer)
        t = self.block["a"]
        for layer in range(1, self.depth + 1):
            self._add_to_matrix("dmatrices", layer, t, u[layer])
            result = self.scratch["t", layer] if self._active(layer) else self.block["dg"]
            self._times_matrix(result, t, layer)
            if self._active(layer):
                self._map(
                    [self.scratch["q", layer], self.block["dg"] if layer == self.depth else result],
                    [result, v[layer], self.scratch["slope", layer], self.scratch["bend", layer]],
                    lambda p, v, slope, bend: [self.k.times(p, self.k.times(v, bend)), self.k.times(p, slope)],
                )
            t = result
        last = self.depth if self.plan.activated else self.depth - 1
        for layer in range(last, 0, -1):
            q = self.scratch["q", layer]
            self._add_to_matrix("dmatrices", layer, self._h(layer - 1), q)
            if layer == 1:
                self._times_transposed(self.block["dh"], q, layer)
            else:
                below, result = self.scratch["q", layer - 1], self.scratch["t", layer - 1]
                self._times_transposed(result, q, layer)
                self._map(
                    [below],
                    [below, result, self.scratch["slope", layer - 1]],
                    lambda below, result, slope: [self.k.fma(result, slope, below)],
                )

    def _active(self, layer: int) -> bool:
        return layer < self.depth or self.plan.activated

    def _h(self, layer: int) -> _Rows:
        return self.scratch["h", layer] if layer else self.block["h"]

    def _hidden(self, names: list[str], function: Callable) -> None:
        """The values of all layers with an activation, and derivatives of the activation."""
        for layer in range(1, self.depth + 1):
            if self._active(layer):
                self._times_matrix(self.scratch["h", layer], self._h(layer - 1), layer)
                self._map([self.scratch[name, layer] for name in names], [self.scratch["h", layer]], function)

    def _product(self, a: Value, b: Value) -> list[Value]:
        return [self.k.times(a, b)]

    def _map(self, results: list[_Rows], inputs: list[_Rows], function: Callable) -> None:
        """Functions of corresponding numbers; a result may be one of the inputs."""
        k, width = self.k, inputs[0].width
        with k.loop(0, self.rows) as row:
            start = k.mul(row, width)
            for at, lanes in k.channels(width):
                vectors = function(*(k.load(k.at(rows.address, start, at), lanes) for rows in inputs))
                for rows, vector in zip(results, vectors, strict=True):
                    k.store(vector, k.at(rows.address, start, at), lanes)

    def _times_matrix(self, result: _Rows, left: _Rows, layer: int) -> None:
        self._gemm(result, left, self.matrices["matrices"][layer - 1])

    def _times_transposed(self, result: _Rows, left: _Rows, layer: int) -> None:
        self._gemm(result, left, self.matrices["transposed"][layer - 1])

    def _gemm(self, result: _Rows, left: _Rows, right: Value) -> None:
        gemm(
            self.k, result.address, result.width, left.address, left.width, 1, right, result.width,
            self.rows, left.width, result.width, accumulate=False,
        )  # fmt: skip

    def _add_to_matrix(self, name: str, layer: int, left: _Rows, right: _Rows) -> None:
        """matrix += leftᵀ right."""
        gemm(
            self.k, self.matrices[name][layer - 1], right.width, left.address, 1, left.width, right.address, right.width,
            left.width, self.rows, right.width, accumulate=True,
        )  # fmt: skip
