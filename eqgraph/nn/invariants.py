"""Numbers that no rotation and no inversion changes."""

import math
from itertools import chain, combinations_with_replacement

import torch
from torch import Tensor

from eqgraph.o3 import Irreps, Linear, wigner_3j

KINDS = ("norm", "power", "bispectrum")


class Invariants(torch.nn.Module):
    """Invariants of features under all of O(3), for heads that classify.

    norm         x of 0e;   sqrt(|x|² + ε²) - ε of every other copy of an irrep
    power        x of 0e;   p_nn' = Σ_m x_nm x_n'm / sqrt(2l + 1) of channels n <= n' of every other type (l, p)
    bispectrum   power, and Σ C^{l l' l''}_{m m' m''} x_nm x_n'm' x_n''m'' of types other than 0e whose parities multiply to even

    Lengths alone forget the angles between channels; the power spectrum knows them, but not the handedness of a triple such as of three
    pseudovectors; the bispectrum knows that too. Products that differ by their order only, or are zero because of it, are left out.
    Pseudoscalars never appear: they change sign under inversion. Features of unit variance give products of about unit variance.

    Args:
        irreps: of the features.
        kind: "norm", "power" or "bispectrum".
        num_channels: if given, an o3.Linear first reduces every type except 0e to so many channels, since the number of invariants
            grows as their square ("power") or cube ("bispectrum").
        lmax: largest degree in triple products; None: that of irreps.
        eps: ε, below which the length becomes quadratic and so smooth.

    Attributes:
        num: number of invariants.

    Raises:
        ValueError: if kind is another word, eps is not positive, num_channels is given for "norm" or not positive, or the last axis is
            not irreps.dim.

    Example:
        >>> invariants = Invariants("2x0e + 2x1o", "power")
        >>> invariants
        Invariants(2x0e+2x1o -> 5, kind='power')
        >>> invariants(torch.tensor([7.0, 8.0, 1, 0, 0, 3, 4, 0]))
        tensor([ 7.0000,  8.0000,  0.5774,  1.7321, 14.4338])

    Reference: Bartók et al. 2013, arXiv:1209.3140, for power spectrum and bispectrum.
    """

    def __init__(
        self,
        irreps: Irreps | str,
        kind: str = "norm",
        num_channels: int | None = None,
        lmax: int | None = None,
        eps: float = 1e-3,
    ) -> None:
        super().__init__()
        self.irreps_in = Irreps(irreps)
        if kind not in KINDS:
            raise ValueError(
                f"Invariants: expected kind to be one of {', '.join(KINDS)}, got {kind!r}. Choose one of these."
            )
        if not eps > 0:
            raise ValueError(
                f"Invariants: expected eps > 0, got {eps}: lengths have no derivative at zero without it. Use 1e-3."
            )
        if num_channels is not None and (kind == "norm" or num_channels < 1):
            raise ValueError(
                f"Invariants: expected num_channels of at least 1 with kind 'power' or 'bispectrum', got {num_channels} with {kind!r}. "
                "Leave it out, or choose another kind."
            )
        self.kind, self.eps, self.lmax = kind, eps, lmax
        columns, entries = (
            torch.arange(self.irreps_in.dim),
            list(zip(self.irreps_in, self.irreps_in.slices(), strict=True)),
        )
        types = sorted({ir for (mul, ir), _ in entries if mul and not ir.is_scalar()})
        found = {ir: [columns[where] for (_, other), where in entries if other == ir] for ir in types}
        for name, parts in (
            ("_scalar_columns", [columns[where] for (_, ir), where in entries if ir.is_scalar()]),
            ("_other_columns", list(chain.from_iterable(found.values()))),
        ):
            self.register_buffer(name, torch.cat([columns[:0], *parts]), persistent=False)
        irreps = Irreps([(sum(map(len, parts)) // ir.dim, ir) for ir, parts in found.items()])
        self.linear = None
        if num_channels is not None:
            reduced = Irreps([(num_channels, ir) for ir in types])
            self.linear, irreps = Linear(irreps, reduced), reduced
        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._types = [(mul, ir.dim) for mul, ir in irreps]
        self._dim, self._text = self.irreps_in.dim, str(self.irreps_in)
        self._pairs = self._triples = 0
        if kind != "norm":
            self._pairs = self._register_kept("pair", [torch.ones(mul, mul).triu() for mul, _ in irreps])
        if kind == "bispectrum":
            self._members = _coupled_types(irreps, lmax)
            self._symbols = [
                wigner_3j(*(irreps[t].ir.l for t in three), dtype=torch.float64) for three in self._members
            ]
            kept = [_distinct(irreps, three) for three in self._members]
            self._triples = self._register_kept("triple", kept)
            for number in range(len(self._members)):
                self.register_buffer(
                    f"_symbol_{number}", torch.empty(0, dtype=torch.get_default_dtype()), persistent=False
                )
            self._fill()
        others = irreps.num_irreps if kind == "norm" else self._pairs + self._triples
        self.num = len(self._scalar_columns) + others

    def _register_kept(self, name: str, masks: list[Tensor]) -> int:
        """Buffers with the places of what is kept of all products; how many."""
        for number, mask in enumerate(masks):
            self.register_buffer(f"_{name}_{number}", mask.flatten().nonzero().flatten(), persistent=False)
        return int(sum(mask.sum() for mask in masks))

    def _fill(self) -> None:
        for number, symbol in enumerate(self._symbols):
            setattr(self, f"_symbol_{number}", symbol.to(getattr(self, f"_symbol_{number}")))

    def _apply(self, fn, recurse: bool = True) -> "Invariants":
        super()._apply(fn, recurse)
        if self.kind == "bispectrum":
            self._fill()  # with all the digits of the new type
        return self

    def __repr__(self) -> str:
        return f"Invariants({self._text} -> {self.num}, kind='{self.kind}')"

    def reset_parameters(self) -> None:
        """Draw the weights that reduce channels anew."""
        if self.linear is not None:
            self.linear.reset_parameters()

    def forward(self, features: Tensor) -> Tensor:
        """Features (..., irreps.dim) to (..., num)."""
        if features.shape[-1] != self._dim:
            raise ValueError(
                f"Invariants: expected features with last axis {self._dim} ('{self._text}'), got shape {tuple(features.shape)}. Check "
                "their irreps."
            )
        others = features.index_select(-1, self._other_columns)
        if self.linear is not None:
            others = self.linear(others)
        parts = others.split([mul * dim for mul, dim in self._types], -1)
        parts = [
            part.unflatten(-1, shape) for part, shape in zip(parts, self._types, strict=True)
        ]  # (..., mul, 2l + 1)
        out = [features.index_select(-1, self._scalar_columns)]
        if self.kind == "norm":
            out += [(part.square().sum(-1) + self.eps**2).sqrt() - self.eps for part in parts]
        else:
            out += [self._power(number, part) for number, part in enumerate(parts)]
        if self.kind == "bispectrum":
            out += [self._triple_products(number, parts) for number in range(len(self._members))]
        return torch.cat(out, -1)

    def _power(self, number: int, part: Tensor) -> Tensor:
        products = part @ part.mT / math.sqrt(part.shape[-1])
        return products.flatten(-2).index_select(-1, getattr(self, f"_pair_{number}"))

    def _triple_products(self, number: int, parts: list[Tensor]) -> Tensor:
        first, second, third = (parts[t] for t in self._members[number])
        symbol = getattr(self, f"_symbol_{number}")
        pairs = torch.einsum("...ui,...vj,ijk->...uvk", first, second, symbol)
        products = (pairs.flatten(-3, -2) @ third.mT).flatten(-2)  # (..., channels of first, second, third)
        return products.index_select(-1, getattr(self, f"_triple_{number}"))


def _coupled_types(irreps: Irreps, lmax: int | None) -> list[tuple[int, int, int]]:
    """Triples of types whose product contains 0e."""
    low = [t for t, (_, ir) in enumerate(irreps) if lmax is None or ir.l <= lmax]
    return [
        (a, b, c) for a, b, c in combinations_with_replacement(low, 3) if irreps[c].ir in irreps[a].ir * irreps[b].ir
    ]


def _distinct(irreps: Irreps, three: tuple[int, int, int]) -> Tensor:
    """(channels, channels, channels): one for products that are not zero, once for each set of channels.

    Exchange of two channels of the same type gives a factor (-1)^(l + l' + l''), the symmetry of the Clebsch-Gordan coefficients.
    """
    u, v, w = torch.meshgrid(*(torch.arange(irreps[t].mul) for t in three), indexing="ij")
    even = sum(irreps[t].ir.l for t in three) % 2 == 0
    kept = torch.ones_like(u, dtype=torch.bool)
    for (one, other), types in (((u, v), three[:2]), ((v, w), three[1:])):
        if types[0] == types[1]:
            kept &= one <= other if even else one < other
    return kept.long()
