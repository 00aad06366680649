"""The solid harmonics written out as polynomials of x, y, z, for kernels without loops over degrees."""

from collections import defaultdict
from functools import cache

from .reference import legendre_recursion

Polynomial = dict[tuple[int, int, int], float]
"""(i, j, k) -> coefficient of x^i y^j z^k."""


@cache
def solid_harmonic_polynomials(lmax: int) -> tuple[Polynomial, ...]:
    """What ops.solid_harmonics computes, component by component.

    Example:
        >>> solid_harmonic_polynomials(1)[1]
        {(1, 0, 0): 1.7320508075688772}
    """
    x, y, z = {(1, 0, 0): 1.0}, {(0, 1, 0): 1.0}, {(0, 0, 1): 1.0}
    r2 = {(2, 0, 0): 1.0, (0, 2, 0): 1.0, (0, 0, 2): 1.0}
    cosines: list[Polynomial] = [{(0, 0, 0): 1.0}]
    sines: list[Polynomial] = [{}]
    for _ in range(lmax):  # (z + ix)^m = (z + ix)^(m-1) · (z + ix)
        cosine, sine = cosines[-1], sines[-1]
        cosines.append(_sum(_product(z, cosine), _product(x, sine, -1.0)))
        sines.append(_sum(_product(z, sine), _product(x, cosine)))
    legendre: list[list[Polynomial]] = [[{(0, 0, 0): 1.0}]]
    harmonics = [legendre[0][0]]
    for l in range(1, lmax + 1):
        ratios, diagonal = legendre_recursion(l)
        row = []
        for m, (a, b) in enumerate(ratios):
            term = _product(y, legendre[l - 1][m], a)
            row.append(_sum(term, _product(r2, legendre[l - 2][m], b)) if m <= l - 2 else term)
        legendre.append([*row, {(0, 0, 0): diagonal}])
        harmonics += [_product(sines[m], legendre[l][m]) for m in range(l, 0, -1)]
        harmonics += [_product(cosines[m], legendre[l][m]) for m in range(l + 1)]
    return tuple(harmonics)


def derivative(polynomial: Polynomial, axis: int) -> Polynomial:
    """With respect to x (0), y (1) or z (2).

    Example:
        >>> derivative({(2, 1, 0): 3.0, (0, 0, 0): 1.0}, 0)
        {(1, 1, 0): 6.0}
    """
    return {
        tuple(power - (i == axis) for i, power in enumerate(powers)): value * powers[axis]
        for powers, value in polynomial.items()
        if powers[axis]
    }


def _sum(*polynomials: Polynomial) -> Polynomial:
    total: Polynomial = defaultdict(float)
    for polynomial in polynomials:
        for powers, value in polynomial.items():
            total[powers] += value
    return {powers: value for powers, value in total.items() if abs(value) > 1e-14}


def _product(a: Polynomial, b: Polynomial, factor: float = 1.0) -> Polynomial:
    total: Polynomial = defaultdict(float)
    for one, value in a.items():
        for other, second in b.items():
            total[tuple(i + j for i, j in zip(one, other, strict=True))] += factor * value * second
    return {powers: value for powers, value in total.items() if abs(value) > 1e-14}
