"""One nonlinear function per block of scalars."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from eqgraph.math import normalize2mom
from eqgraph.o3 import Irreps


class Activation(torch.nn.Module):
    """Apply one scalar function per block of scalars, scaled to keep the second moment: E[φ(z)²] = 1 for z ~ N(0, 1).

    Odd scalars need an even function (they become 0e) or an odd one (they stay 0o). Sigmoid, Tanh, ReLU and SELU are layers
    of one function.

    Args:
        irreps_in: irreps of the input; blocks with a function must be scalars (l = 0).
        acts: one function, or None for the identity, per block of irreps_in.
        normalize: whether functions are scaled; if not, they are applied as they are.

    Raises:
        ValueError: if the number of functions differs from that of blocks, a function meets l > 0, or a function that is neither even
            nor odd meets odd scalars.

    Example:
        >>> Activation("16x0e + 4x0o", [torch.nn.functional.silu, torch.tanh])
        Activation [xx] (16x0e+4x0o -> 16x0e+4x0o)

    Reference: e3nn, arXiv:2207.09453, section on equivariant activations.
    """

    def __init__(
        self, irreps_in: Irreps | str, acts: Sequence[Callable[[Tensor], Tensor] | None], normalize: bool = True
    ) -> None:
        super().__init__()
        name = type(self).__name__
        irreps_in = Irreps(irreps_in)
        if len(irreps_in) != len(acts):
            raise ValueError(
                f"{name}: expected one function (or None) per block of irreps_in='{irreps_in}', got {len(acts)} for "
                f"{len(irreps_in)} blocks. Give a list of {len(irreps_in)}."
            )
        irreps_out = []
        functions: list[torch.nn.Module | None] = []
        for (mul, ir), act in zip(irreps_in, acts, strict=True):
            if act is None:
                irreps_out.append((mul, ir))
                functions.append(None)
                continue
            if ir.l != 0:
                raise ValueError(
                    f"{name}: expected scalars wherever a function is given, got '{mul}x{ir}' in irreps_in='{irreps_in}'. "
                    "Use None there, or nn.Gate or nn.NormActivation for irreps with l > 0."
                )
            function = normalize2mom(act) if normalize else _Elementwise(act)
            parity = 1 if ir.p == 1 else parity_of(function)
            if parity == 0:
                raise ValueError(
                    f"{name}: parity is violated: expected an even or odd function for '{mul}x{ir}' in "
                    f"irreps_in='{irreps_in}', got {act} which is neither. Use tanh or abs, for example."
                )
            irreps_out.append((mul, (0, parity)))
            functions.append(function)
        self.irreps_in = irreps_in
        self.irreps_out = Irreps(irreps_out)
        self.acts = torch.nn.ModuleList(torch.nn.Identity() if f is None else f for f in functions)
        self._sizes = [mul * ir.dim for mul, ir in irreps_in]
        self._dim_in, self._text_in = irreps_in.dim, str(irreps_in)

    def __repr__(self) -> str:
        marks = "".join("x" if not isinstance(act, torch.nn.Identity) else " " for act in self.acts)
        return f"{type(self).__name__} [{marks}] ({self.irreps_in} -> {self.irreps_out})"

    def forward(self, features: Float[Tensor, "..."], dim: int = -1) -> Float[Tensor, "..."]:
        """Map features, whose axis dim holds irreps_in, to irreps_out along the same axis."""
        if features.shape[dim] != self._dim_in:
            raise ValueError(
                f"{type(self).__name__}: expected features with {self._dim_in} entries along axis {dim} ('{self._text_in}'), got shape "
                f"{tuple(features.shape)}. Check their irreps."
            )
        if len(self.acts) == 1:
            return self.acts[0](features)
        blocks = features.split(self._sizes, dim=dim)
        if not blocks:
            return features
        return torch.cat([act(block) for act, block in zip(self.acts, blocks, strict=True)], dim=dim)


class _Elementwise(torch.nn.Module):
    """A function as a module."""

    def __init__(self, f: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.f = f

    def forward(self, x: Tensor) -> Tensor:
        return self.f(x)


def parity_of(function: Callable[[Tensor], Tensor]) -> int:
    """1 for an even function, -1 for an odd one, 0 for neither: checked on a grid.

    Example:
        >>> parity_of(torch.abs), parity_of(torch.tanh), parity_of(torch.relu)
        (1, -1, 0)
    """
    z = torch.linspace(0, 10, 256)
    right, left = function(z), function(-z)
    if torch.allclose(right, left, atol=1e-5, rtol=0):
        return 1
    if torch.allclose(right, -left, atol=1e-5, rtol=0):
        return -1
    return 0
