"""Functions of the distance: a basis and the envelope that takes it smoothly to zero at the cutoff."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


class BesselBasis(torch.nn.Module):
    """Spherical Bessel functions of degree 0 that vanish at the cutoff.

    b_n(r) = sqrt(2 / c) sin(k_n r / c) / r,   k_n = n π at initialization, n = 1 ... num_radial.

    Args:
        num_radial: number of functions.
        cutoff: radius c [Å] of the sphere.
        trainable: whether the k_n are parameters.

    Raises:
        ValueError: if num_radial < 1 or cutoff is not a positive finite number.

    Example:
        >>> BesselBasis(8, cutoff=5.0)(torch.tensor([1.0, 2.0])).shape
        torch.Size([2, 8])

    Reference: Gasteiger et al. 2020, arXiv:2003.03123, eq. 7.
    """

    def __init__(self, num_radial: int, cutoff: float, trainable: bool = True) -> None:
        super().__init__()
        if num_radial < 1:
            raise ValueError(f"BesselBasis: expected num_radial of at least 1, got {num_radial}. Use 8, for example.")
        self.num_radial, self.cutoff = num_radial, _checked_cutoff("BesselBasis", cutoff)
        self.frequencies = torch.nn.Parameter(torch.empty(num_radial), requires_grad=trainable)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the frequencies k_n to n π."""
        with torch.no_grad():
            self.frequencies.copy_(torch.arange(1, self.num_radial + 1) * math.pi)

    def extra_repr(self) -> str:
        return f"{self.num_radial}, cutoff={self.cutoff}, trainable={self.frequencies.requires_grad}"

    def forward(self, edge_len: Float[Tensor, " edges"]) -> Float[Tensor, "edges num_radial"]:
        """Lengths [Å], finite at 0 too, to the values of the basis [Å^-3/2]."""
        # so near to zero that the values are those at zero; torch.sinc, which needs no such care, takes three times as long
        x = (edge_len / self.cutoff).clamp(min=torch.finfo(edge_len.dtype).eps).unsqueeze(-1)
        return torch.sin(x * self.frequencies) * (math.sqrt(2 / self.cutoff) / self.cutoff / x)


class PolynomialCutoff(torch.nn.Module):
    """Envelope that is 1 at r = 0, and 0 with two vanishing derivatives at r = c.

    u(x) = 1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2),   x = r / c;   0 beyond.

    Args:
        cutoff: radius c [Å].
        power: p, at least 2; the larger, the longer u stays near 1.

    Raises:
        ValueError: if power < 2 or cutoff is not a positive finite number.

    Example:
        >>> PolynomialCutoff(5.0)(torch.tensor([0.0, 2.5, 5.0]))
        tensor([1.0000, 0.8555, 0.0000])

    Reference: Gasteiger et al. 2020, arXiv:2003.03123, eq. 8.
    """

    def __init__(self, cutoff: float, power: int = 6) -> None:
        super().__init__()
        if power < 2:
            raise ValueError(f"PolynomialCutoff: expected power of at least 2 for a smooth force, got {power}. Use 6.")
        self.cutoff, self.power = _checked_cutoff("PolynomialCutoff", cutoff), power

    def extra_repr(self) -> str:
        return f"cutoff={self.cutoff}, power={self.power}"

    def forward(self, edge_len: Float[Tensor, " edges"]) -> Float[Tensor, " edges"]:
        """Lengths [Å] to factors between 0 and 1."""
        # Clamping makes the polynomial 0 beyond the cutoff, with zero gradient: there, all terms cancel exactly.
        x, p = (edge_len / self.cutoff).clamp(max=1), self.power
        a, b, c = (p + 1) * (p + 2) / 2, p * (p + 2), p * (p + 1) / 2
        return 1 - x**p * (a - x * (b - x * c))


def _checked_cutoff(name: str, cutoff: float) -> float:
    if not (math.isfinite(cutoff) and cutoff > 0):
        raise ValueError(f"{name}: expected a positive, finite cutoff [Å], got {cutoff}. Use 5.0, for example.")
    return float(cutoff)
