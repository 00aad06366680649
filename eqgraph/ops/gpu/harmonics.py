"""The solid harmonics on a GPU: value, gradient and second gradient, as polynomials written out.

With S = Σ_e a_e · ∂(g_e · Y(v_e))/∂v_e, everything is a sum of derivatives of the polynomials Y_lm(v), times components of g and a.
"""

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from ..polynomials import Polynomial, derivative, solid_harmonic_polynomials
from .source import Kernel, ceil_div, namespace, triton_function

_TILE, _WARPS = 128, 4
"""Edges of a program."""


def harmonics(vec: Tensor, lmax: int) -> Tensor:
    """(edges, (lmax + 1)²): see ops.reference.solid_harmonics.

    Args:
        vec: (edges, 3) vectors, in any unit of length.
        lmax: highest degree, at least 0.
    """
    y = vec.new_empty(len(vec), (lmax + 1) ** 2)
    _launch("value", lmax, vec=vec, y=y)
    return y


def harmonics_backward(g: Tensor, vec: Tensor, lmax: int) -> Tensor:
    """(edges, 3): gradient of Σ g · harmonics(vec)."""
    gvec = torch.empty_like(vec, memory_format=torch.contiguous_format)
    _launch("gradient", lmax, g=g, vec=vec, gvec=gvec)
    return gvec


def harmonics_double_backward(a: Tensor, g: Tensor, vec: Tensor, lmax: int) -> tuple[Tensor, Tensor]:
    """(dg, dvec): gradients of Σ a · harmonics_backward(g, vec), shaped like g and vec."""
    dg, dvec = (torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in (g, vec))
    _launch("second_gradient", lmax, a=a, g=g, vec=vec, dg=dg, dvec=dvec)
    return dg, dvec


def _launch(kind: str, lmax: int, **tensors: Tensor) -> None:
    num_edges = len(tensors["vec"])
    kernel = _kernel(kind, lmax)
    kernel(
        ceil_div(num_edges, kernel.tile),
        **{name: tensor.contiguous() for name, tensor in tensors.items()},
        num_edges=num_edges,
    )


@cache
def _kernel(kind: str, lmax: int) -> Kernel:
    names, write = _KINDS[kind]
    body = [
        f"edge = tl.program_id(0).to(tl.int64) * {_TILE} + tl.arange(0, {_TILE})",
        "live = edge < num_edges",
        *(f"v{axis} = tl.load(vec + edge * 3 + {axis}, live, 0.0)" for axis in range(3)),
        *write(solid_harmonic_polynomials(lmax)),
    ]
    text = triton_function("harmonics", names, ["num_edges"], body)
    return Kernel(namespace(f"harmonics_{kind}_{lmax}", text)["harmonics"], (*names, "num_edges"), _WARPS, _TILE)


def _value(polynomials: Sequence[Polynomial]) -> list[str]:
    lines = _monomials(polynomials)
    return lines + [_store("y", len(polynomials), n, _text(polynomial)) for n, polynomial in enumerate(polynomials)]


def _gradient(polynomials: Sequence[Polynomial]) -> list[str]:
    """gvec[k] = Σ_lm g_lm ∂_k Y_lm."""
    gradients = [[derivative(polynomial, axis) for polynomial in polynomials] for axis in range(3)]
    lines = _monomials([polynomial for row in gradients for polynomial in row]) + _load("g", len(polynomials))
    for axis, row in enumerate(gradients):
        lines.append(_store("gvec", 3, axis, _weighted([(f"g{n}", polynomial) for n, polynomial in enumerate(row)])))
    return lines


def _second_gradient(polynomials: Sequence[Polynomial]) -> list[str]:
    """dg_lm = Σ_k a_k ∂_k Y_lm,   dvec[j] = Σ_k a_k Σ_lm g_lm ∂_j ∂_k Y_lm."""
    gradients = [[derivative(polynomial, axis) for axis in range(3)] for polynomial in polynomials]
    seconds = [[[derivative(first, axis) for axis in range(3)] for first in row] for row in gradients]
    lines = _monomials([first for row in gradients for first in row])
    lines += _load("g", len(polynomials)) + _load("a", 3)
    for n, row in enumerate(gradients):
        lines.append(_store("dg", len(polynomials), n, _weighted([(f"a{k}", row[k]) for k in range(3)])))
    for k in range(3):
        for j in range(k + 1):
            lines.append(f"s{j}{k} = {_weighted([(f'g{n}', seconds[n][k][j]) for n in range(len(seconds))])}")
    for j in range(3):
        total = " + ".join(f"a{k} * s{min(j, k)}{max(j, k)}" for k in range(3))
        lines.append(_store("dvec", 3, j, total))
    return lines


_KINDS: dict[str, tuple[list[str], Callable[[Sequence[Polynomial]], list[str]]]] = {
    "value": (["y", "vec"], _value),
    "gradient": (["gvec", "g", "vec"], _gradient),
    "second_gradient": (["dg", "dvec", "a", "g", "vec"], _second_gradient),
}


def _monomials(polynomials: Sequence[Polynomial]) -> list[str]:
    """m_ijk = v0^i v1^j v2^k for all monomials up to the degree of the polynomials."""
    degree = max((sum(powers) for polynomial in polynomials for powers in polynomial), default=0)
    lines = []
    for powers in _powers(degree):
        if sum(powers):
            axis = next(index for index, power in enumerate(powers) if power)
            lower = tuple(power - (index == axis) for index, power in enumerate(powers))
            lines.append(f"{_name(powers)} = {f'{_name(lower)} * ' if sum(lower) else ''}v{axis}")
    return lines


def _powers(degree: int) -> list[tuple[int, int, int]]:
    """All exponents up to a degree, the degree ascending."""
    return [(i, j, n - i - j) for n in range(degree + 1) for i in range(n + 1) for j in range(n - i + 1)]


def _name(powers: tuple[int, ...]) -> str:
    return "m_" + "_".join(map(str, powers))


def _text(polynomial: Polynomial) -> str:
    """A polynomial of the monomials."""
    terms = [f"{value!r} * {_name(powers)}" if sum(powers) else repr(value) for powers, value in polynomial.items()]
    return " + ".join(terms)


def _weighted(terms: list[tuple[str, Polynomial]]) -> str:
    """Σ weight · polynomial."""
    return " + ".join(f"{weight} * ({_text(polynomial)})" for weight, polynomial in terms if polynomial) or "0.0 * v0"


def _load(name: str, columns: int) -> list[str]:
    return [f"{name}{n} = tl.load({name} + edge * {columns} + {n}, live, 0.0)" for n in range(columns)]


def _store(name: str, columns: int, column: int, value: str) -> str:
    return f"tl.store({name} + edge * {columns} + {column}, {value}, live)"
