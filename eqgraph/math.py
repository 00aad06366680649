"""Functions of one variable: radial bases, cutoffs, and the moments of nonlinearities."""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


class normalize2mom(torch.nn.Module):
    """Scale a function such that f(z) has second moment 1 for z of the standard normal distribution.

    y = cst f(x),  cst = (E f(z)²)^(-1/2);  the function itself where cst differs from 1 by less than 1e-4.

    e3nn estimates cst from 10⁶ random numbers, which leaves an error of about 1e-3 that depends on the device (relu:
    1.4163 for √2). Here it is a quadrature, exact to all digits; so outputs differ from e3nn's by 1e-3 of their size.

    Args:
        f: elementwise function.
        dtype: in which to evaluate f, by default that of its parameters, and float64 if it has none.
        device: where to evaluate f, by default that of its parameters, and the CPU if it has none.

    Attributes:
        f: the function.
        cst: the constant, a float.

    Raises:
        ValueError: if E f(z)² is zero, infinite or not a number.

    Example:
        >>> normalize2mom(torch.relu).cst
        1.414213...
        >>> normalize2mom(torch.tanh)(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 1.2129])

    Reference: Klambauer et al. 2017, arXiv:1706.02515, for the idea.
    """

    def __init__(
        self,
        f: Callable[[Tensor], Tensor],
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ):
        super().__init__()
        parameters = f.parameters() if isinstance(f, torch.nn.Module) else iter(())
        example = next(parameters, torch.empty(0, dtype=torch.float64, device="cpu"))
        second = float(moment(f, 2, dtype or example.dtype, device or example.device))
        if not 0 < second < math.inf:
            raise ValueError(
                f"normalize2mom: expected a function whose square has a positive finite mean, got {second} for {f}. "
                "Choose a function that is defined on the whole axis and is not zero."
            )
        self.f = f
        self.cst = second**-0.5
        self._is_identity = abs(self.cst - 1) < 1e-4
        if self._is_identity:
            self.cst = 1.0

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return self.f(x) if self._is_identity else self.f(x) * self.cst

    def extra_repr(self) -> str:
        name = "" if isinstance(self.f, torch.nn.Module) else f"{getattr(self.f, '__name__', self.f)}, "
        return f"{name}cst={self.cst:.6f}"


def moment(
    f: Callable[[Tensor], Tensor],
    n: int,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, ""]:
    """E f(z)^n for z of the standard normal distribution, by Gauss-Legendre quadrature on |z| < 13.

    Pieces are half a unit long and begin at 0, so that kinks and steps at multiples of 1/2 (relu, hardtanh, relu6) cost
    no digits.

    Args:
        f: elementwise function.
        n: power.
        dtype: of the points at which f is evaluated and of the result, by default torch's; the sum is in float64.
        device: of the same, by default the CPU.

    Example:
        >>> moment(torch.relu, 2)
        tensor(0.5000)

    Reference: Abramowitz & Stegun, Handbook of Mathematical Functions, eq. 25.4.30.
    """
    dtype = torch.get_default_dtype() if dtype is None else dtype
    nodes, weights = np.polynomial.legendre.leggauss(20)
    starts = np.arange(-13, 13, 0.5)[:, None]
    points = (starts + (nodes + 1) / 4).ravel()
    density = np.exp(-(points**2) / 2) / math.sqrt(2 * math.pi) * np.tile(weights / 4, len(starts))
    with torch.no_grad():
        z = torch.tensor(points, dtype=dtype, device=device)
        values = f(z).double() ** n
        return (values @ torch.tensor(density, device=values.device)).to(dtype)


def soft_one_hot_linspace(
    x: Float[Tensor, "*batch"],
    start: float,
    end: float,
    number: int,
    basis: str | None = None,
    cutoff: bool | None = None,
) -> Float[Tensor, "*batch number"]:
    """Expand numbers in functions whose centers or frequencies are spread over an interval.

    Σ_i y_i² is about 1. With d the distance to a center, in units of the distance between centers,

        gaussian       exp(-d²) / 1.12
        cosine         cos(π d / 2) where |d| < 1
        smooth_finite  1.14136 e² u(d + 1) u(1 - d), with u = `soft_unit_step`; smooth, and zero where |d| >= 1

    and with t = (x - start) / (end - start), c = end - start,

        fourier        cos(π i t) / √(1/4 + number/2), i = 0, 1, ...;  sin(π i t), i = 1, 2, ..., with cutoff
        bessel         √(2 / c) sin(π i t) / (x - start), i = 1, 2, ...

    Args:
        x: numbers, such as edge lengths.
        start: begin of the interval.
        end: end of the interval.
        number: how many functions.
        basis: one of the names above.
        cutoff: True: centers lie inside the interval, one step away from its ends, and the fourier and bessel functions
            are zero outside. False: the first and the last center lie on the ends.

    Raises:
        ValueError: if basis or cutoff is not given or none of these, end is not above start, or number is below 1.

    Example:
        >>> soft_one_hot_linspace(torch.tensor([0.5]), 0.0, 1.0, 3, "smooth_finite", cutoff=True)
        tensor([[0.0000, 1.1414, 0.0000]])

    Reference: bessel: Gasteiger et al. 2020, arXiv:2003.03123, eq. (7).
    """
    if not isinstance(cutoff, bool):
        raise ValueError(
            f"soft_one_hot_linspace: expected cutoff True or False, got {cutoff!r}. "
            "Pass True for functions that vanish outside of the interval."
        )
    if number < 1 or not end > start:
        raise ValueError(
            f"soft_one_hot_linspace: expected start < end and number >= 1, got start={start}, end={end}, "
            f"number={number}. Check their order."
        )
    length = end - start
    if basis in ("gaussian", "cosine", "smooth_finite"):
        step = length / (number + 1) if cutoff else length / max(number - 1, 1)
        first = start + step if cutoff else start
        centers = first + step * torch.arange(number, dtype=x.dtype, device=x.device)
        d = (x.unsqueeze(-1) - centers) / step
        if basis == "gaussian":
            return (-d.square()).exp() / 1.12
        if basis == "cosine":
            return torch.where(d.abs() < 1, (math.pi / 2 * d).cos(), 0)
        return 1.14136 * math.exp(2) * soft_unit_step(d + 1) * soft_unit_step(1 - d)

    t = (x - start).unsqueeze(-1) / length
    inside = (t >= 0) & (t < 1)
    if basis == "fourier":
        i = torch.arange(number, dtype=x.dtype, device=x.device)
        y = torch.where(inside, (math.pi * (i + 1) * t).sin(), 0) if cutoff else (math.pi * i * t).cos()
        return y / math.sqrt(0.25 + number / 2)
    if basis == "bessel":
        y = bessel(x - start, number, length)
        return torch.where(inside, y, 0) if cutoff else y
    raise ValueError(
        "soft_one_hot_linspace: expected a basis of 'gaussian', 'cosine', 'smooth_finite', 'fourier' or 'bessel', "
        f"got {basis!r}. Choose one of them."
    )


def soft_unit_step(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """exp(-1/x) for x > 0, else 0: a step that is smooth everywhere.

    Args:
        x: numbers.

    Example:
        >>> soft_unit_step(torch.tensor([-1.0, 0.0, 1.0]))
        tensor([0.0000, 0.0000, 0.3679])

    Reference: Lee, Introduction to Smooth Manifolds, lemma 2.20.
    """
    # exp(-1000) is 0 in float64; below, 1/x and its powers in the derivatives would overflow and give inf * 0
    positive = x > 1e-3
    return torch.where(positive, (-1 / torch.where(positive, x, 1)).exp(), 0)


def bessel(x: Float[Tensor, "*batch"], n: int, x_max: float = 1.0) -> Float[Tensor, "*batch n"]:
    """√(2 / c) sin(i π x / c) / x for i = 1 ... n and c = x_max: spherical Bessel functions j_0, orthonormal on (0, c).

    Args:
        x: distances; at 0 the limit is taken, and derivatives of any order are finite.
        n: how many functions.
        x_max: where all functions are zero, in the unit of x.

    Example:
        >>> bessel(torch.tensor([0.0, 0.25]), 2)
        tensor([[4.4429, 8.8858],
                [4.0000, 5.6569]])

    Reference: Gasteiger et al. 2020, arXiv:2003.03123, eq. (7).
    """
    wave = math.pi / x_max * torch.arange(1, n + 1, dtype=x.dtype, device=x.device)
    return math.sqrt(2 / x_max) * wave * _sin_over(wave * x.unsqueeze(-1))


def direct_sum(*matrices: Float[Tensor, "..."]) -> Float[Tensor, "*batch rows cols"]:
    """The block-diagonal matrix of the given ones; without any, the matrix of shape (0, 0).

    Args:
        matrices: (..., rows_i, cols_i), with leading axes that broadcast.

    Example:
        >>> direct_sum(torch.ones(1, 2), 2 * torch.ones(1, 1))
        tensor([[1., 1., 0.],
                [0., 0., 2.]])
    """
    if not matrices:
        return torch.empty(0, 0)
    batch = torch.broadcast_shapes(*(matrix.shape[:-2] for matrix in matrices))
    cols, start, rows = sum(matrix.shape[-1] for matrix in matrices), 0, []
    for matrix in matrices:
        padded = torch.nn.functional.pad(matrix, (start, cols - start - matrix.shape[-1]))
        rows.append(padded.expand(*batch, *padded.shape[-2:]))
        start += matrix.shape[-1]
    return torch.cat(rows, dim=-2)


def _sin_over(y: Tensor) -> Tensor:
    """sin(y) / y, by its Taylor series near 0, where the derivatives of the quotient lose their digits."""
    near = y.abs() < 0.5
    y2 = torch.where(near, y, 0).square()
    series = torch.ones_like(y)
    for k in range(14, 1, -2):
        series = 1 - y2 / (k * (k + 1)) * series
    far = torch.where(near, 1, y)
    return torch.where(near, series, far.sin() / far)
