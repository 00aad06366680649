"""A nonlinearity of functions on the sphere."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from eqgraph.math import normalize2mom
from eqgraph.o3 import FromS2Grid, Irreps, ToS2Grid, rand_matrix

from .activation import parity_of

_MAX_VALUES = 1 << 20
"""Values on grids that exist at a time; of more than these, gradients compute them again, which takes no longer than storing them."""


class S2Activation(torch.nn.Module):
    """Apply a function pointwise to the function on the sphere whose coefficients the features are.

    f_c(r) = Σ_lm x_clm Y_lm(r),   y_clm = ∫ φ(f_c(r)) Y_lm(r) dr       for each channel c, see o3.ToS2Grid for constants

    Unlike a gate it mixes degrees within a channel and acts on all of them with the same φ. φ(f) has degrees of any height, so that on
    a grid of finite resolution equivariance is approximate; the relative error falls exponentially with the resolution for smooth φ,
    as its third power for kinks. For lmax 2 and inputs of unit variance about:

        res     8       10      14      20      30      40
        silu    1e-2    4e-3    2e-4    3e-6    1e-8    2e-11
        tanh    5e-2    1e-2    2e-3    2e-4    4e-6    9e-8
        relu    5e-2    3e-2    9e-3    3e-3    1e-3    5e-4

    Args:
        irreps: one copy, or the same number of copies ("channels"), of each degree 0 ... lmax, with parities p (all equal) or p (-1)^l.
        act: φ, elementwise; it is scaled to keep the second moment, see math.normalize2mom.
        res: resolution of the grid, see o3.ToS2Grid; at least 2 (lmax + 1). Costs grow with its square.
        normalization: of the coefficients, "component", "norm" or "integral", see o3.ToS2Grid.
        lmax_out: largest degree of the output; None: that of the input.
        random_rot: whether the grid is turned at random in each call, so that its directions have no lasting preference.

    Attributes:
        irreps_in, irreps_out: as many channels in as out.

    Raises:
        ValueError: if irreps are not as above, φ is neither even nor odd while the function on the sphere is a pseudoscalar (0o), or
            the resolution is too low.

    Example:
        >>> act = S2Activation("16x0e + 16x1o + 16x2e", torch.tanh, res=10)
        >>> act
        S2Activation (16x0e+16x1o+16x2e -> 16x0e+16x1o+16x2e)
        >>> act(act.irreps_in.randn(5, -1)).shape
        torch.Size([5, 144])

    Reference: Cohen et al. 2018, arXiv:1801.10130; in tensor field networks: Poulenard & Guibas 2021, doi:10.1109/CVPR46437.2021.01297.
    """

    def __init__(
        self,
        irreps: Irreps | str,
        act: Callable[[Tensor], Tensor],
        res: int | tuple[int | None, int | None],
        normalization: str = "component",
        lmax_out: int | None = None,
        random_rot: bool = False,
    ) -> None:
        super().__init__()
        self.irreps_in = Irreps(irreps).simplify()
        mul, lmax, p_val, p_arg = _function_on_sphere(self.irreps_in)
        lmax_out = lmax if lmax_out is None else lmax_out
        parity = parity_of(act) if p_val == -1 else 1
        if parity == 0:
            raise ValueError(
                f"S2Activation: parity is violated: expected an even or odd function for '{self.irreps_in}', whose function on the "
                f"sphere changes sign under inversion, got {act} which is neither. Use tanh or abs, for example."
            )
        # a pseudoscalar function f stays one under an odd φ, and becomes a scalar function under an even one
        p_out = -1 if p_val == -1 and parity == -1 else 1
        self.irreps_out = Irreps([(mul, (l, p_out * p_arg**l)) for l in range(lmax_out + 1)])
        self.to_s2 = ToS2Grid(lmax, res, normalization)
        self.from_s2 = FromS2Grid(res, lmax_out, normalization, lmax_in=lmax)
        self.act = normalize2mom(act)
        self.random_rot = random_rot
        for name in ("_to_grid", "_from_grid"):
            self.register_buffer(name, torch.empty(0, dtype=torch.get_default_dtype()), persistent=False)
        self._fill()
        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._mul, self._dims, self._dims_out = mul, _degrees(lmax), _degrees(lmax_out)
        self._text = str(self.irreps_in)

    def _fill(self) -> None:
        """The maps of both grids as one matrix each: faster for many functions on few points than β and α one after another."""
        to, back = self.to_s2, self.from_s2
        self._to_grid = torch.einsum("mbi,am->iba", to.shb, to.sha).flatten(1)  # (dim, points)
        self._from_grid = torch.einsum("mbi,am->bai", back.shb, back.sha).flatten(0, 1)  # (points, dim)

    def _apply(self, fn, recurse: bool = True) -> "S2Activation":
        super()._apply(fn, recurse)
        self._fill()  # from constants that now have all the digits of the new type
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__} ({self.irreps_in} -> {self.irreps_out})"

    def forward(self, features: Tensor) -> Tensor:
        """Features (..., irreps_in.dim) to (..., irreps_out.dim)."""
        if features.shape[-1] != sum(self._dims) * self._mul:
            raise ValueError(
                f"S2Activation: expected features with last axis {sum(self._dims) * self._mul} ('{self._text}'), got shape "
                f"{tuple(features.shape)}. Check their irreps."
            )
        rotation = None
        if self.random_rot:
            rotation = rand_matrix(dtype=features.dtype, device=features.device)
            features = features @ self.irreps_in.D_from_matrix(rotation).T
        x = _to_channels(features, self._dims, self._mul)  # (..., mul, dim)
        out = _from_channels(self._through_grid(x.flatten(0, -2)).unflatten(0, x.shape[:-1]), self._dims_out)
        return out if rotation is None else out @ self.irreps_out.D_from_matrix(rotation)

    def _through_grid(self, x: Tensor) -> Tensor:
        """(functions, dim) coefficients -> (functions, dim_out)."""
        rows = max(_MAX_VALUES // self._to_grid.shape[1], 1)
        if len(x) <= rows or torch.compiler.is_compiling():
            return self._at_once(x)
        parts = [
            checkpoint(self._at_once, part, use_reentrant=False, preserve_rng_state=False) for part in x.split(rows)
        ]
        return torch.cat(parts)

    def _at_once(self, x: Tensor) -> Tensor:
        return self.act(x @ self._to_grid) @ self._from_grid


def _degrees(lmax: int) -> list[int]:
    return [2 * l + 1 for l in range(lmax + 1)]


def _to_channels(features: Tensor, dims: list[int], mul: int) -> Tensor:
    """(..., mul Σ (2l + 1)) -> (..., mul, Σ (2l + 1))."""
    if mul == 1:
        return features.unsqueeze(-2)
    parts = features.split([mul * dim for dim in dims], -1)
    return torch.cat([part.unflatten(-1, (mul, dim)) for part, dim in zip(parts, dims, strict=True)], -1)


def _from_channels(channels: Tensor, dims: list[int]) -> Tensor:
    """The inverse of _to_channels."""
    return torch.cat([part.flatten(-2) for part in channels.split(dims, -1)], -1)


def _function_on_sphere(irreps: Irreps) -> tuple[int, int, int, int]:
    """Channels, lmax, and the parities in f(r) -> p_val f(p_arg r) under inversion."""
    muls, degrees = {mul for mul, _ in irreps}, [ir.l for _, ir in irreps]
    if len(muls) != 1 or degrees != list(range(len(degrees))):
        raise ValueError(
            f"S2Activation: expected equally many copies of each degree 0 ... lmax, in this order, got '{irreps}'. Write "
            "'16x0e + 16x1o + 16x2e', for example; an o3.Linear before it can produce that."
        )
    p_val = irreps[0].ir.p
    for p_arg in (1, -1):
        if all(ir.p == p_val * p_arg**ir.l for _, ir in irreps):
            return irreps[0].mul, irreps.lmax, p_val, p_arg
    raise ValueError(
        f"S2Activation: expected parities that are all equal, or alternate with the degree, got '{irreps}'. Write "
        "'0e + 1o + 2e' or '0e + 1e + 2e', for example."
    )
