"""Spherical harmonics of vectors, as a function and as a module."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from eqgraph.ops import solid_harmonics

from .irreps import Irreps

_NORMALIZATIONS = ("integral", "component", "norm")


class SphericalHarmonics(torch.nn.Module):
    """Real spherical harmonics of a vector: the polynomials of x that transform as the irreps asked for.

    Y^l(R x) = D^l(R) Y^l(x), in the order m = -l ... l with the polar axis along y: Y^1 is a multiple of (x, y, z).

    Args:
        irreps_out: a degree, a list of degrees in any order and with repeats, or irreps.
        normalize: True: evaluate at x / |x|, and at 0 for the zero vector, where derivatives are then taken as zero.
            False: Y^l is homogeneous of degree l in x.
        normalization: on the unit sphere "integral": ∫ Y_m² = 1; "component": |Y^l|² = 2l + 1; "norm": |Y^l| = 1.
        irreps_in: "1o" for a vector, "1e" for a pseudovector; by default whichever fits irreps_out, "1o" if both do.
        backend: see ops.solid_harmonics.

    Raises:
        ValueError: if an irrep of irreps_out has not the parity of the harmonics of irreps_in, or an argument is none
            of the above.

    Example:
        >>> sh = SphericalHarmonics("0e + 1o", normalize=True, normalization="component")
        >>> sh(torch.tensor([0.0, 2.0, 0.0]))
        tensor([1.0000, 0.0000, 1.7321, 0.0000])
        >>> sh.irreps_in, sh.irreps_out
        (1x1o, 1x0e+1x1o)

    Reference: Limpanuparb & Milthorpe 2014, arXiv:1410.1748.
    """

    def __init__(
        self,
        irreps_out: int | Sequence[int] | str | Irreps,
        normalize: bool,
        normalization: str = "integral",
        irreps_in: str | Irreps | None = None,
        *,
        backend: str = "auto",
    ):
        super().__init__()
        _check_normalization(normalization)
        if irreps_in is None:
            irreps_in = "1e" if _is_of_pseudovector(irreps_out) else "1o"
        self.irreps_in = Irreps(irreps_in)
        if self.irreps_in not in (Irreps("1o"), Irreps("1e")):
            raise ValueError(
                f"SphericalHarmonics: expected irreps_in '1o' (a vector) or '1e' (a pseudovector), got "
                f"'{self.irreps_in}'. Choose one of the two."
            )
        parity = self.irreps_in[0].ir.p
        if isinstance(irreps_out, int):
            irreps_out = [irreps_out]
        if not isinstance(irreps_out, str | Irreps):
            irreps_out = list(irreps_out)
            if all(isinstance(l, int) for l in irreps_out):
                irreps_out = [(1, (l, parity ** (l % 2))) for l in irreps_out]
        self.irreps_out = Irreps(irreps_out)
        for _, ir in self.irreps_out:
            if ir.p != parity**ir.l:
                raise ValueError(
                    f"SphericalHarmonics: expected parity {parity**ir.l} for degree {ir.l} of '{self.irreps_in}', "
                    f"got '{ir}' in irreps_out='{self.irreps_out}'. Change its parity, or irreps_in."
                )
        self.normalize = normalize
        self.normalization = normalization
        self.backend = backend
        self._degrees = self.irreps_out.ls

    def forward(self, x: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch dim"]:
        return _spherical_harmonics(self._degrees, x, self.normalize, self.normalization, self.backend)

    def extra_repr(self) -> str:
        return (
            f"{self.irreps_in} -> {self.irreps_out}, normalize={self.normalize}, normalization='{self.normalization}'"
        )


def spherical_harmonics(
    l: int | Sequence[int] | str | Irreps,
    x: Float[Tensor, "*batch 3"],
    normalize: bool,
    normalization: str = "integral",
) -> Float[Tensor, "*batch dim"]:
    """The spherical harmonics of vectors, without a module. See `SphericalHarmonics`.

    Args:
        l: a degree, a list of degrees, or irreps.
        x: vectors, in any unit of length.
        normalize: whether to evaluate at x / |x|.
        normalization: "integral", "component" or "norm".

    Raises:
        ValueError: as `SphericalHarmonics`.

    Example:
        >>> spherical_harmonics([2, 0], torch.tensor([0.0, 0.0, 1.0]), True, "norm")
        tensor([ 0.0000, 0.0000, -0.5000, 0.0000, 0.8660, 1.0000])
    """
    return SphericalHarmonics(l, normalize, normalization)(x)


def _spherical_harmonics(degrees: list[int], x: Tensor, normalize: bool, normalization: str, backend: str) -> Tensor:
    if x.shape[-1] != 3:
        raise ValueError(
            f"spherical_harmonics: expected vectors with last axis 3, got shape {tuple(x.shape)}. Pass (..., 3)."
        )
    if not degrees:
        return x[..., :0]
    lmax = max(degrees)
    harmonics = solid_harmonics(_direction(x) if normalize else x, lmax, backend)
    if degrees == list(range(lmax + 1)) and normalization != "norm":
        return harmonics / math.sqrt(4 * math.pi) if normalization == "integral" else harmonics
    blocks = [harmonics[..., l * l : (l + 1) ** 2] for l in degrees]
    if normalization == "norm":
        blocks = [block / math.sqrt(2 * l + 1) for l, block in zip(degrees, blocks, strict=True)]
    selected = torch.cat(blocks, dim=-1)
    return selected / math.sqrt(4 * math.pi) if normalization == "integral" else selected


def _direction(x: Tensor) -> Tensor:
    """x / |x|, and zero with derivatives of zero at x = 0, where normalize() of torch has derivatives of 1e12."""
    r2 = x.square().sum(-1, keepdim=True)
    zero = r2 == 0
    return x * torch.where(zero, 0, torch.where(zero, 1, r2).rsqrt())


def _is_of_pseudovector(irreps: int | Sequence[int] | str | Irreps) -> bool:
    return isinstance(irreps, str | Irreps) and any(ir.l % 2 == 1 and ir.p == 1 for _, ir in Irreps(irreps))


def _check_normalization(normalization: str) -> None:
    if normalization not in _NORMALIZATIONS:
        raise ValueError(
            f"SphericalHarmonics: expected a normalization of {_NORMALIZATIONS}, got {normalization!r}. "
            "Choose one of them."
        )
