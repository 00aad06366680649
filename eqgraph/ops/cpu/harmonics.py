"""Solid harmonics and their first and second derivatives on the CPU: polynomials, term by term."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..polynomials import Polynomial, derivative, solid_harmonic_polynomials
from .emit import Emitter, Value
from .jit import compile_kernel
from .jobs import run
from .memory import empty

_MIN_CHUNK, _MAX_CHUNKS = 1024, 64
_POINTERS = {
    "forward": ["out", "vec"],
    "backward": ["gvec", "g", "vec"],
    "double_backward": ["dg", "dvec", "a", "g", "vec"],
}


def harmonics(vec: Tensor, lmax: int) -> Tensor:
    """The value: see ops.reference.solid_harmonics."""
    out = empty((len(vec), (lmax + 1) ** 2), vec)
    _call("forward", lmax, [out, vec])
    return out


def harmonics_backward(g: Tensor, vec: Tensor, lmax: int) -> Tensor:
    """Gradient of Σ g · Y(vec) with respect to vec."""
    gvec = empty(vec.shape, vec)
    _call("backward", lmax, [gvec, g, vec])
    return gvec


def harmonics_double_backward(a: Tensor, g: Tensor, vec: Tensor, lmax: int) -> tuple[Tensor, Tensor]:
    """Gradients of Σ a · harmonics_backward(g, vec) with respect to g and vec."""
    dg, dvec = empty(g.shape, g), empty(vec.shape, vec)
    _call("double_backward", lmax, [dg, dvec, a, g, vec])
    return dg, dvec


def _call(kind: str, lmax: int, tensors: list[Tensor]) -> None:
    number = len(tensors[-1])
    chunks = min(max(number // _MIN_CHUNK, 1), _MAX_CHUNKS)
    bounds = np.arange(chunks + 1) * number // chunks
    arguments = np.empty((chunks, len(tensors) + 2), np.int64)
    arguments[:, : len(tensors)] = [tensor.data_ptr() for tensor in tensors]
    arguments[:, -2], arguments[:, -1] = bounds[:-1], bounds[1:]
    run(_kernel(kind, lmax, tensors[-1].dtype), 0, arguments)


@cache
def _kernel(kind: str, lmax: int, dtype: torch.dtype) -> int:
    name = str(dtype).removeprefix("torch.")
    return compile_kernel(f"harmonics_{kind}", f"{lmax} {name}", lambda symbol: _source(symbol, kind, lmax, name))


def _source(symbol: str, kind: str, lmax: int, dtype: str) -> str:
    k = Emitter(symbol, _POINTERS[kind], ["first", "last"], dtype, width=1)
    values, polynomials = k.arguments, solid_harmonic_polynomials(lmax)
    dim = len(polynomials)
    with k.loop(values["first"], values["last"]) as e:

        def row(name: str, size: int) -> list[Value]:
            start = k.at(values[name], k.mul(e, size))
            return [k.at(start, i) for i in range(size)]

        monomials = _Monomials(k, [k.load(address) for address in row("vec", 3)])
        if kind == "forward":
            for polynomial, address in zip(polynomials, row("out", dim), strict=True):
                k.store(monomials.evaluate(polynomial), address)
        elif kind == "backward":
            g = [k.load(address) for address in row("g", dim)]
            for axis, address in enumerate(row("gvec", 3)):
                k.store(_dot(k, g, [monomials.evaluate(derivative(p, axis)) for p in polynomials]), address)
        else:
            a, g = ([k.load(address) for address in row(name, size)] for name, size in (("a", 3), ("g", dim)))
            dvec: list[Value | None] = [None] * 3
            for m, (polynomial, address) in enumerate(zip(polynomials, row("dg", dim), strict=True)):
                slopes = [derivative(polynomial, axis) for axis in range(3)]
                k.store(_dot(k, a, [monomials.evaluate(slope) for slope in slopes]), address)
                for axis in range(3):
                    curvature = [monomials.evaluate(derivative(slope, axis)) for slope in slopes]
                    if any(term != k.zero for term in curvature):
                        dvec[axis] = k.fma(g[m], _dot(k, a, curvature), dvec[axis])
            for total, address in zip(dvec, row("dvec", 3), strict=True):
                k.store(total or k.zero, address)
    return k.text()


def _dot(k: Emitter, a: list[Value], b: list[Value]) -> Value:
    total = None
    for one, other in zip(a, b, strict=True):
        if other != k.zero:
            total = k.fma(one, other, total)
    return total or k.zero


class _Monomials:
    """x^i y^j z^k, each computed once."""

    def __init__(self, k: Emitter, vec: list[Value]) -> None:
        self._k, self._vec = k, vec
        self._known: dict[tuple[int, ...], Value] = {(0, 0, 0): k.constant(1.0)}

    def get(self, powers: tuple[int, ...]) -> Value:
        if powers not in self._known:
            axis = next(i for i, power in enumerate(powers) if power)
            lower = tuple(power - (i == axis) for i, power in enumerate(powers))
            self._known[powers] = self._vec[axis] if not any(lower) else self._k.times(self.get(lower), self._vec[axis])
        return self._known[powers]

    def evaluate(self, polynomial: Polynomial) -> Value:
        total = None
        for powers, value in polynomial.items():
            total = self._k.fma(self._k.constant(value), self.get(powers), total)
        return total or self._k.zero
