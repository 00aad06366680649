"""The matrices of SO(3): generators, Wigner D, and the coupling of three irreps, in the real basis of the harmonics."""

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor


def wigner_3j(
    l1: int, l2: int, l3: int, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Float[Tensor, "dim1 dim2 dim3"]:
    """The one tensor that is invariant under D^l1 ⊗ D^l2 ⊗ D^l3, with Frobenius norm 1, for any l.

    C_lmn = Σ_ijk C_ijk D^l1_il D^l2_jm D^l3_kn. Swapping two slots multiplies it by (-1)^(l1 + l2 + l3).
    The Clebsch-Gordan coefficients behind it are sums of whole numbers, so it is accurate to rounding at every l.

    Args:
        l1: degree of the first slot.
        l2: degree of the second slot.
        l3: degree of the third slot.
        dtype: of the result, by default torch's default.
        device: of the result.

    Returns:
        A new tensor; changing it does not change the next call's.

    Raises:
        TypeError: if a degree is not an int.
        ValueError: if a degree is negative or |l1 - l2| <= l3 <= l1 + l2 does not hold, where no such tensor exists.

    Example:
        >>> wigner_3j(1, 1, 0).squeeze(-1)
        tensor([[0.5774, 0.0000, 0.0000],
                [0.0000, 0.5774, 0.0000],
                [0.0000, 0.0000, 0.5774]])

    Reference: Racah 1942, doi:10.1103/PhysRev.62.438, eq. (16), in the binomial form; signs as in e3nn 0.6.
    """
    for l in (l1, l2, l3):
        _check_degree("wigner_3j", l)
    if not abs(l1 - l2) <= l3 <= l1 + l2:
        raise ValueError(
            f"wigner_3j: expected degrees with |l1 - l2| <= l3 <= l1 + l2, got ({l1}, {l2}, {l3}), for which "
            f"no invariant exists. Choose l3 between {abs(l1 - l2)} and {l1 + l2}."
        )
    # the cache holds numpy arrays: a tensor would keep the fake, inference or vmap mode of the call that made it
    return torch.tensor(_wigner_3j(l1, l2, l3), dtype=dtype or torch.get_default_dtype(), device=device)


def wigner_D(
    l: int, alpha: Float[Tensor, "*#batch"], beta: Float[Tensor, "*#batch"], gamma: Float[Tensor, "*#batch"]
) -> Float[Tensor, "*batch dim dim"]:
    """The representation of degree l of the rotation Ry(alpha) Rx(beta) Ry(gamma).

    D = exp(α X_y) exp(β X_x) exp(γ X_y), computed as D_y(α) J D_y(β) Jᵀ D_y(γ): D_y holds cosines and sines of
    multiples of the angle, and the constant J turns y into x. There is no matrix exponential to lose accuracy.

    Args:
        l: degree.
        alpha: last turn, about y [rad].
        beta: middle turn, about x [rad].
        gamma: first turn, about y [rad].

    Returns:
        Orthogonal matrices in the dtype and on the device of the angles.

    Raises:
        TypeError: if l is not an int.
        ValueError: if l is negative.

    Example:
        >>> wigner_D(1, torch.zeros(()), torch.zeros(()), torch.tensor(torch.pi / 2)).round().abs()
        tensor([[0., 0., 1.],
                [0., 1., 0.],
                [1., 0., 0.]])

    Reference: Pinchon & Hoggan 2007, doi:10.1088/1751-8113/40/7/011.
    """
    _check_degree("wigner_D", l)
    alpha, beta, gamma = torch.broadcast_tensors(alpha, beta, gamma)
    turn = torch.tensor(_turn_y_to_x(l), dtype=alpha.dtype, device=alpha.device)
    return _turn_about_y(l, alpha) @ turn @ _turn_about_y(l, beta) @ turn.T @ _turn_about_y(l, gamma)


def so3_generators(
    l: int, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Float[Tensor, "3 dim dim"]:
    """The generators X of rotations about x, y and z for degree l: D(φ about n) = exp(φ n·X), [X_x, X_y] = X_z.

    Args:
        l: degree.
        dtype: of the result, by default torch's default.
        device: of the result.

    Raises:
        TypeError: if l is not an int.
        ValueError: if l is negative.

    Example:
        >>> so3_generators(1)[1]
        tensor([[ 0.,  0.,  1.],
                [ 0.,  0.,  0.],
                [-1.,  0.,  0.]])

    Reference: Sakurai & Napolitano, Modern Quantum Mechanics, eq. (3.5.41), in the real basis.
    """
    _check_degree("so3_generators", l)
    return torch.tensor(_so3_generators(l), dtype=dtype or torch.get_default_dtype(), device=device)


def su2_generators(
    j: int | float, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Complex[Tensor, "3 dim dim"]:
    """The generators of SU(2) for spin j, antihermitian, in the complex basis m = -j ... j.

    Args:
        j: spin, a multiple of 1/2.
        dtype: a complex dtype, by default the one that goes with torch's default.
        device: of the result.

    Raises:
        ValueError: if j is not 0, 1/2, 1, 3/2, ...

    Example:
        >>> su2_generators(1 / 2)[1].diagonal()
        tensor([-0.-0.5000j, 0.+0.5000j])

    Reference: Sakurai & Napolitano, Modern Quantum Mechanics, eq. (3.5.41).
    """
    if j < 0 or 2 * j != int(2 * j):
        raise ValueError(f"su2_generators: expected a spin of 0, 1/2, 1, ..., got {j!r}. Pass a multiple of 1/2.")
    return torch.tensor(_su2_generators(j), dtype=dtype or _default_complex(), device=device)


def change_basis_real_to_complex(
    l: int, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Complex[Tensor, "dim dim"]:
    """The unitary Q with D_complex = Q D_real Q†; rows are the complex, columns the real components, m = -l ... l.

    Args:
        l: degree.
        dtype: a complex dtype, or the real dtype that it goes with; by default the one that goes with torch's default.
        device: of the result.

    Raises:
        TypeError: if l is not an int.
        ValueError: if l is negative.

    Example:
        >>> q = change_basis_real_to_complex(2)
        >>> torch.allclose(q @ q.mH, torch.eye(5, dtype=q.dtype), atol=1e-6)
        True

    Reference: Homeier & Steinborn 1996, doi:10.1016/S0166-1280(96)04531-X, times (-i)^l, which makes wigner_3j real.
    """
    _check_degree("change_basis_real_to_complex", l)
    return torch.tensor(
        _real_to_complex(l), dtype=_default_complex() if dtype is None else dtype.to_complex(), device=device
    )


def _check_degree(function: str, l: object) -> None:
    if not isinstance(l, int) or isinstance(l, bool):
        raise TypeError(f"{function}: expected a degree that is an int, got {l!r} of {type(l)}. Pass int(l).")
    if l < 0:
        raise ValueError(f"{function}: expected a degree of at least 0, got {l}. Degrees count 0, 1, 2, ...")


def _default_complex() -> torch.dtype:
    return torch.get_default_dtype().to_complex()


def _turn_about_y(l: int, angle: Tensor) -> Tensor:
    """(..., 2l + 1, 2l + 1): the components m and -m turn into each other by m times the angle."""
    phase = angle.unsqueeze(-1) * torch.arange(-l, l + 1, dtype=angle.dtype, device=angle.device)
    return torch.diag_embed(phase.cos()) - torch.diag_embed(phase.sin()).flip(-1)


@cache
def _turn_y_to_x(l: int) -> np.ndarray:
    """exp(-π/2 X_z), through the eigenvectors of the Hermitian i X_z, whose eigenvalues are -l ... l."""
    values, vectors = np.linalg.eigh(1j * _so3_generators(l)[2])
    phases = np.exp(0.5j * np.pi * values.round())
    return (vectors * phases @ vectors.conj().T).real


@cache
def _wigner_3j(l1: int, l2: int, l3: int) -> np.ndarray:
    q1, q2, q3 = _real_to_complex(l1), _real_to_complex(l2), _real_to_complex(l3)
    coupling = np.einsum("ijk,ia->ajk", _clebsch_gordan(l1, l2, l3), q1)
    coupling = np.einsum("ajk,jb->abk", coupling, q2)
    coupling = np.einsum("abk,kc->abc", coupling, q3.conj()).real
    coupling[np.abs(coupling) < 1e-14] = 0.0  # cancelled to rounding: exact zeros tell which products to skip
    return coupling / np.linalg.norm(coupling)


def _clebsch_gordan(l1: int, l2: int, l3: int) -> np.ndarray:
    """<l1 m1 l2 m2 | l3 m3> in the complex basis; every intermediate is a whole number, of any size."""
    f, comb = math.factorial, math.comb
    a1, a2, a3 = l2 + l3 - l1, l1 + l3 - l2, l1 + l2 - l3
    common = f(l1 + l2 + l3 + 1) * f(a1) * f(a2) * f(a3)
    table = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    for m1 in range(-l1, l1 + 1):
        for m2 in range(max(-l2, -l3 - m1), min(l2, l3 - m1) + 1):
            m3 = m1 + m2
            low, high = max(0, l2 - l3 - m1, l1 - l3 + m2), min(a3, l1 - m1, l2 + m2)
            total = sum(
                (-1) ** k * comb(a3, k) * comb(a2, l1 - m1 - k) * comb(a1, l2 + m2 - k) for k in range(low, high + 1)
            )
            weight = (2 * l3 + 1) * math.prod(f(l + m) * f(l - m) for l, m in ((l1, m1), (l2, m2), (l3, m3)))
            table[l1 + m1, l2 + m2, l3 + m3] = math.copysign(math.sqrt(total * total * weight / common), total)
    return table


def _su2_generators(j: int | float) -> np.ndarray:
    m = np.arange(-j, j)  # from m to m + 1
    ladder = np.diag(np.sqrt(j * (j + 1) - m * (m + 1)), 1) / 2
    return np.stack([(ladder - ladder.T).astype(complex), np.diag(1j * np.arange(-j, j + 1)), 1j * (ladder + ladder.T)])


def _so3_generators(l: int) -> np.ndarray:
    q = _real_to_complex(l)
    return (q.conj().T @ _su2_generators(l) @ q).real + 0.0  # no -0.0


def _real_to_complex(l: int) -> np.ndarray:
    q = np.zeros((2 * l + 1, 2 * l + 1), complex)
    q[l, l] = 1
    for m in range(1, l + 1):
        q[l - m, [l - m, l + m]] = -1j * math.sqrt(1 / 2), math.sqrt(1 / 2)
        q[l + m, [l - m, l + m]] = (-1) ** m * 1j * math.sqrt(1 / 2), (-1) ** m * math.sqrt(1 / 2)
    return (1, -1j, -1, 1j)[l % 4] * q
