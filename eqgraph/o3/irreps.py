"""Irreducible representations of O(3), and direct sums of them: the types of all equivariant features."""

import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator
from itertools import count as count_from
from operator import index

import torch
from jaxtyping import Float
from torch import Tensor

from .rotation import axis_angle_to_angles, matrix_to_angles, quaternion_to_angles
from .wigner import wigner_D

_IRREP = re.compile(r"\s*(\d+)\s*([eoy])\s*")
_MUL_IR = re.compile(r"\s*(?:(\d+)\s*x\s*)?(\d+\s*[eoy])\s*")
_PARITIES = {"e": 1, "o": -1}

Sorted = namedtuple("Sorted", ["irreps", "p", "inv"])


class _Representation:
    """Matrices of a rotation in every parametrization, given `D_from_angles`."""

    __slots__ = ()

    def D_from_quaternion(
        self, q: Float[Tensor, "*batch 4"], k: Tensor | None = None
    ) -> Float[Tensor, "*batch dim dim"]:
        """The matrix of quaternion q followed by k inversions."""
        return self.D_from_angles(*quaternion_to_angles(q), k)

    def D_from_matrix(self, R: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch dim dim"]:
        """The matrix of R in O(3); an R of determinant -1 is a rotation and an inversion.

        Example:
            >>> Irrep("1e").D_from_matrix(-torch.eye(3)).diagonal()
            tensor([1., 1., 1.])
        """
        sign = torch.linalg.det(R).sign()
        return self.D_from_angles(*matrix_to_angles(sign[..., None, None] * R), (1 - sign) / 2)

    def D_from_axis_angle(
        self, axis: Float[Tensor, "*#batch 3"], angle: Float[Tensor, "*#batch"]
    ) -> Float[Tensor, "*batch dim dim"]:
        """The matrix of the turn by angle [rad] about axis."""
        return self.D_from_angles(*axis_angle_to_angles(axis, angle))


class Irrep(_Representation, tuple):
    """One irreducible representation of O(3): the degree l and the parity p, which is its sign under inversion.

    Args:
        l: degree, or a string such as "1o" ("e": p = 1, "o": p = -1, "y": p = (-1)^l, as spherical harmonics have),
            or an Irrep, or a pair (l, p).
        p: parity, 1 or -1; only together with an int l.

    Raises:
        ValueError: if these do not describe an irrep.

    Example:
        >>> Irrep("1o"), Irrep(2, 1), Irrep("3y").p, Irrep("2e").dim
        (1o, 2e, -1, 5)
        >>> list(Irrep("1o") * Irrep("2e"))
        [1o, 2o, 3o]
    """

    __slots__ = ()

    def __new__(cls, l: "int | IrrepLike", p: int | None = None) -> "Irrep":
        if p is None:
            if isinstance(l, Irrep):
                return l
            if isinstance(l, MulIr):
                return l.ir
            if isinstance(l, str):
                return cls(*_parse_irrep(l))
            if isinstance(l, tuple) and len(l) == 2:
                return cls(*l)
        if not _is_int(l) or l < 0 or p not in (-1, 1):
            got = repr(l) if p is None else f"l={l!r}, p={p!r}"
            raise ValueError(
                f"Irrep: expected a degree l >= 0 and a parity of 1 or -1, got {got}. Write for example '1o'."
            )
        return super().__new__(cls, (index(l), index(p)))

    @property
    def l(self) -> int:  # noqa: E743
        """Degree."""
        return self[0]

    @property
    def p(self) -> int:
        """Parity."""
        return self[1]

    @property
    def dim(self) -> int:
        """2l + 1."""
        return 2 * self.l + 1

    def is_scalar(self) -> bool:
        """Whether nothing changes it: true for 0e only, not for the pseudoscalar 0o."""
        return self.l == 0 and self.p == 1

    @classmethod
    def iterator(cls, lmax: int | None = None) -> Iterator["Irrep"]:
        """All irreps up to degree lmax, without end if None; the parity of the spherical harmonics comes first.

        Example:
            >>> list(Irrep.iterator(1))
            [0e, 0o, 1o, 1e]
        """
        for l in count_from() if lmax is None else range(lmax + 1):
            yield cls(l, (-1) ** l)
            yield cls(l, -((-1) ** l))

    def D_from_angles(
        self,
        alpha: Float[Tensor, "*#batch"],
        beta: Float[Tensor, "*#batch"],
        gamma: Float[Tensor, "*#batch"],
        k: Tensor | None = None,
    ) -> Float[Tensor, "*batch dim dim"]:
        """p^k D^l(alpha, beta, gamma): the matrix of a rotation followed by k inversions.

        Args:
            alpha: last turn, about y [rad].
            beta: middle turn, about x [rad].
            gamma: first turn, about y [rad].
            k: whole numbers, by default zero.

        Example:
            >>> Irrep("0o").D_from_angles(*torch.zeros(3), k=torch.tensor(1))
            tensor([[-1.]])
        """
        D = wigner_D(self.l, alpha, beta, gamma)
        if k is None or self.p == 1:
            return D
        sign = 1 - 2 * torch.remainder(k, 2)
        return sign[..., None, None].to(D.dtype) * D

    def __mul__(self, other: "IrrepLike") -> Iterator["Irrep"]:
        """The irreps in the product of two."""
        other = Irrep(other)
        degrees = range(abs(self.l - other.l), self.l + other.l + 1)
        return (Irrep(l, self.p * other.p) for l in degrees)

    def __rmul__(self, mul: int) -> "Irreps":
        return Irreps([(mul, self)])

    def __add__(self, other: "IrrepsLike") -> "Irreps":
        return Irreps(self) + Irreps(other)

    def __repr__(self) -> str:
        return f"{self.l}{'e' if self.p == 1 else 'o'}"

    # a degree and a parity are no collection
    def __len__(self) -> int:
        raise NotImplementedError(f"Irrep: '{self}' has no length. Use .dim for its number of components.")

    def __contains__(self, _: object) -> bool:
        raise NotImplementedError(f"Irrep: '{self}' contains nothing. Compare irreps with ==.")

    def count(self, _: object) -> int:
        raise NotImplementedError(f"Irrep: '{self}' cannot count. Use Irreps.count.")

    def index(self, _: object) -> int:
        raise NotImplementedError(f"Irrep: '{self}' has no positions. Use .l and .p.")


class MulIr(tuple):
    """An irrep and how many copies of it there are, as in "16x1o".

    Example:
        >>> mul, ir = MulIr(16, "1o")
        >>> mul, ir, MulIr(16, "1o").dim
        (16, 1o, 48)
    """

    __slots__ = ()

    def __new__(cls, mul: int | tuple, ir: "IrrepLike | None" = None) -> "MulIr":
        if ir is None:
            mul, ir = mul
        return super().__new__(cls, (index(mul), Irrep(ir)))

    @property
    def mul(self) -> int:
        """Multiplicity."""
        return self[0]

    @property
    def ir(self) -> Irrep:
        """The irrep."""
        return self[1]

    @property
    def dim(self) -> int:
        """mul (2l + 1)."""
        return self.mul * self.ir.dim

    def __repr__(self) -> str:
        return f"{self.mul}x{self.ir}"


class Irreps(_Representation, tuple):
    """A direct sum of irreps: the layout of a feature vector.

    The last axis of a tensor with these irreps holds one block per entry, and each block is (mul, 2l + 1), row by row.
    Order matters and equal neighbors are not merged; an entry with zero copies is kept and takes no room.

    Args:
        irreps: a string such as "16x0e + 8x1o", an Irrep, a MulIr, Irreps, None, or a list of strings, irreps and pairs
            (mul, irrep).

    Raises:
        ValueError: if these do not describe irreps.

    Example:
        >>> irreps = Irreps("16x0e + 8x1o")
        >>> irreps, irreps.dim, irreps.num_irreps, irreps.lmax
        (16x0e+8x1o, 40, 24, 1)
        >>> Irreps([(16, "0e"), "1o"]) + "2e"
        16x0e+1x1o+1x2e
    """

    __slots__ = ()

    def __new__(cls, irreps: "IrrepsLike" = None) -> "Irreps":
        if isinstance(irreps, Irreps):
            return irreps if type(irreps) is cls else super().__new__(cls, irreps)
        if irreps is None:
            entries = []
        elif isinstance(irreps, str):
            entries = [_parse_mul_ir(part, irreps) for part in irreps.split("+")] if irreps.strip() else []
        elif isinstance(irreps, Irrep | MulIr):
            entries = [_mul_ir(irreps)]
        elif isinstance(irreps, Iterable):
            entries = [_mul_ir(entry) for entry in irreps]
        else:
            raise ValueError(
                f"Irreps: expected a string, irreps or a list of them, got {irreps!r} of {type(irreps)}. "
                "Write for example '16x0e + 8x1o'."
            )
        return super().__new__(cls, entries)

    @staticmethod
    def spherical_harmonics(lmax: int, p: int = -1) -> "Irreps":
        """The irreps of the spherical harmonics of degree 0 ... lmax of a vector (p = -1) or a pseudovector (p = 1).

        Example:
            >>> Irreps.spherical_harmonics(2)
            1x0e+1x1o+1x2e
        """
        return Irreps([(1, (l, p**l)) for l in range(lmax + 1)])

    @property
    def dim(self) -> int:
        """Number of components."""
        return sum(mul_ir.dim for mul_ir in self)

    @property
    def num_irreps(self) -> int:
        """Sum of the multiplicities."""
        return sum(mul for mul, _ in self)

    @property
    def ls(self) -> list[int]:
        """The degree of each copy."""
        return [ir.l for mul, ir in self for _ in range(mul)]

    @property
    def lmax(self) -> int:
        """The highest degree. ValueError if there are no copies."""
        if self.num_irreps == 0:
            raise ValueError(f"Irreps: expected at least one copy for lmax, got '{self}'. Check .num_irreps first.")
        return max(self.ls)

    def slices(self) -> list[slice]:
        """Where each entry lies in the last axis.

        Example:
            >>> Irreps("2x0e + 1o").slices()
            [slice(0, 2, None), slice(2, 5, None)]
        """
        slices, start = [], 0
        for mul_ir in self:
            slices.append(slice(start, start + mul_ir.dim))
            start += mul_ir.dim
        return slices

    @property
    def slice_by_mul(self) -> "_SliceByMul":
        """Slices that count copies instead of entries.

        Example:
            >>> Irreps("2x1o + 0e + 3x1e").slice_by_mul[1:4]
            1x1o+1x0e+1x1e
        """
        return _SliceByMul(self)

    def randn(
        self,
        *size: int,
        normalization: str = "component",
        requires_grad: bool = False,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Random features from the normal distribution.

        Args:
            size: shape of the result, with -1 for the axis of the irreps.
            normalization: "component": each component has variance 1; "norm": each copy has length 1.
            requires_grad: whether autograd records what is done with the result.
            dtype: of the result, by default torch's default.
            device: of the result.

        Raises:
            ValueError: if size has not exactly one -1, or normalization is another word.

        Example:
            >>> Irreps("2x0e + 1x1o").randn(10, -1).shape
            torch.Size([10, 5])
        """
        if size.count(-1) != 1:
            raise ValueError(
                f"Irreps.randn: expected a size with one -1 for the axis of the irreps, got {size}. "
                "Write for example irreps.randn(10, -1)."
            )
        _check_normalization("Irreps.randn", normalization)
        axis = size.index(-1)
        before, after = size[:axis], size[axis + 1 :]
        if normalization == "component":
            x = torch.randn(*before, self.dim, *after, dtype=dtype, device=device)
        else:
            blocks = [torch.empty(*before, 0, *after, dtype=dtype, device=device)]
            for mul, ir in self:
                block = torch.randn(*before, mul, ir.dim, *after, dtype=dtype, device=device)
                block = torch.nn.functional.normalize(block, dim=axis + 1)
                blocks.append(block.flatten(axis, axis + 1))
            x = torch.cat(blocks, dim=axis)
        return x.requires_grad_(requires_grad)

    def count(self, ir: "IrrepLike") -> int:
        """How many copies of an irrep there are.

        Example:
            >>> Irreps("2x1o + 0e + 1o").count("1o")
            3
        """
        ir = Irrep(ir)
        return sum(mul for mul, other in self if other == ir)

    def simplify(self) -> "Irreps":
        """Without empty entries, and with equal neighbors merged; the order stays.

        Example:
            >>> Irreps("1o + 0x2e + 1o + 0e + 1o").simplify()
            2x1o+1x0e+1x1o
        """
        merged: list[MulIr] = []
        for mul, ir in self.remove_zero_multiplicities():
            if merged and merged[-1].ir == ir:
                mul += merged.pop().mul
            merged.append(MulIr(mul, ir))
        return Irreps(merged)

    def remove_zero_multiplicities(self) -> "Irreps":
        """Without empty entries.

        Example:
            >>> Irreps("0x1o + 2x0e").remove_zero_multiplicities()
            2x0e
        """
        return Irreps([mul_ir for mul_ir in self if mul_ir.mul > 0])

    def sort(self) -> Sorted:
        """By degree, odd before even; entries are not merged, and equal ones keep their order.

        Returns:
            irreps: the sorted entries.
            p: entry i goes to place p[i].
            inv: place j holds entry inv[j].

        Example:
            >>> Irreps("1e + 0e + 1o").sort()
            Sorted(irreps=1x0e+1x1o+1x1e, p=(2, 0, 1), inv=(1, 2, 0))
        """
        inv = tuple(sorted(range(len(self)), key=lambda i: self[i].ir))
        p = tuple(sorted(range(len(self)), key=lambda i: inv[i]))
        return Sorted(Irreps([self[i] for i in inv]), p, inv)

    def regroup(self) -> "Irreps":
        """Sorted, then simplified.

        Example:
            >>> Irreps("1e + 0e + 2x1e").regroup()
            1x0e+3x1e
        """
        return self.sort().irreps.simplify()

    def filter(
        self,
        keep: "Selection" = None,
        *,
        drop: "Selection" = None,
        lmax: int | None = None,
    ) -> "Irreps":
        """The entries whose irrep is wanted, whatever their multiplicity.

        Args:
            keep: irreps to keep, or a function of an entry that says whether to keep it.
            drop: irreps to drop, or a function of an entry that says whether to drop it.
            lmax: highest degree to keep.

        Raises:
            ValueError: if more than one of the three is given.

        Example:
            >>> Irreps("4x0e + 2x1o + 3x2e").filter(keep="0e + 2e"), Irreps("4x0e + 2x1o").filter(drop="1o")
            (4x0e+3x2e, 4x0e)
        """
        given = [name for name, value in (("keep", keep), ("drop", drop), ("lmax", lmax)) if value is not None]
        if len(given) > 1:
            raise ValueError(
                f"Irreps.filter: expected one of keep, drop and lmax, got {' and '.join(given)}. "
                "Call filter once for each."
            )
        if keep is not None:
            return Irreps([mul_ir for mul_ir in self if _is_selected(mul_ir, keep)])
        if drop is not None:
            return Irreps([mul_ir for mul_ir in self if not _is_selected(mul_ir, drop)])
        if lmax is not None:
            return Irreps([mul_ir for mul_ir in self if mul_ir.ir.l <= lmax])
        return self

    def D_from_angles(
        self,
        alpha: Float[Tensor, "*#batch"],
        beta: Float[Tensor, "*#batch"],
        gamma: Float[Tensor, "*#batch"],
        k: Tensor | None = None,
    ) -> Float[Tensor, "*batch dim dim"]:
        """The block-diagonal matrix of a rotation followed by k inversions.

        Args:
            alpha: last turn, about y [rad].
            beta: middle turn, about x [rad].
            gamma: first turn, about y [rad].
            k: whole numbers, by default zero.

        Example:
            >>> Irreps("2x0e + 0o").D_from_angles(*torch.zeros(3), k=torch.tensor(1)).diagonal()
            tensor([ 1., 1., -1.])
        """
        alpha, beta, gamma = torch.broadcast_tensors(alpha, beta, gamma)
        blocks = {ir: ir.D_from_angles(alpha, beta, gamma, k) for _, ir in self}
        rows, start = [alpha.new_zeros(*alpha.shape, 0, self.dim)], 0
        for mul, ir in self:
            for _ in range(mul):
                rows.append(torch.nn.functional.pad(blocks[ir], (start, self.dim - start - ir.dim)))
                start += ir.dim
        return torch.cat(rows, dim=-2)

    def __getitem__(self, i: int | slice) -> "MulIr | Irreps":
        entries = super().__getitem__(i)
        return Irreps(entries) if isinstance(i, slice) else entries

    def __contains__(self, ir: "IrrepLike") -> bool:
        ir = Irrep(ir)
        return any(ir == other for _, other in self)

    def __add__(self, other: "IrrepsLike") -> "Irreps":
        return Irreps(super().__add__(Irreps(other)))

    def __mul__(self, times: "int | Irreps") -> "Irreps":
        if isinstance(times, Irreps):
            raise NotImplementedError(
                f"Irreps: expected a whole number to repeat '{self}', got '{times}'. "
                "For a product of representations use o3.FullTensorProduct."
            )
        return Irreps(super().__mul__(times))

    __rmul__ = __mul__

    def index(self, _: object) -> int:
        raise NotImplementedError(
            f"Irreps: an irrep can occur more than once in '{self}'. Loop over it with enumerate."
        )

    def __repr__(self) -> str:
        return "+".join(map(repr, self))


IrrepLike = str | Irrep | MulIr | tuple[int, int]
IrrepsLike = str | Irrep | MulIr | Iterable | None
Selection = IrrepsLike | Callable[[MulIr], bool]


class _SliceByMul:
    def __init__(self, irreps: Irreps):
        self._irreps = irreps

    def __getitem__(self, wanted: int | slice) -> Irreps:
        if not isinstance(wanted, slice) or wanted.step not in (None, 1):
            raise IndexError(
                f"Irreps.slice_by_mul: expected a slice without stride, got {wanted!r}. Write for example [1:4]."
            )
        first, stop, _ = wanted.indices(self._irreps.num_irreps)
        entries, start = [], 0
        for mul, ir in self._irreps:
            overlap = min(stop, start + mul) - max(first, start)
            if overlap > 0:
                entries.append((overlap, ir))
            start += mul
        return Irreps(entries)


def _is_int(value: object) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _parse_irrep(text: str) -> tuple[int, int]:
    match = _IRREP.fullmatch(text)
    if match is None:
        raise ValueError(
            f"Irrep: expected a degree and one of the letters e (even), o (odd), y, got '{text}'. "
            "Write for example '1o'."
        )
    l = int(match[1])
    return l, _PARITIES.get(match[2], (-1) ** l)


def _parse_mul_ir(part: str, text: str) -> MulIr:
    match = _MUL_IR.fullmatch(part)
    if match is None:
        raise ValueError(
            f"Irreps: expected terms like '16x1o' joined by '+', got '{part.strip()}' in '{text}'. "
            "Write for example '16x0e + 8x1o'."
        )
    return MulIr(int(match[1] or 1), match[2])


def _mul_ir(entry: object) -> MulIr:
    if isinstance(entry, MulIr):
        return entry
    if isinstance(entry, Irrep):
        return MulIr(1, entry)
    if isinstance(entry, str):
        return _parse_mul_ir(entry, entry)
    if isinstance(entry, tuple | list) and len(entry) == 2 and _is_int(entry[0]) and entry[0] >= 0:
        return MulIr(*entry)
    raise ValueError(
        f"Irreps: expected an irrep or a pair (multiplicity, irrep) in the list, got {entry!r}. "
        "Write for example (16, '1o')."
    )


def _is_selected(mul_ir: MulIr, selection: Selection) -> bool:
    if callable(selection):
        return selection(mul_ir)
    return mul_ir.ir in Irreps(selection)


def _check_normalization(function: str, normalization: str) -> None:
    if normalization not in ("component", "norm"):
        raise ValueError(
            f"{function}: expected normalization 'component' or 'norm', got {normalization!r}. Choose one."
        )
