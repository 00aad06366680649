"""Functions on the sphere: from spherical harmonics to a grid of directions, and back."""

import math

import torch
from torch import Tensor

from .rotation import angles_to_xyz
from .spherical_harmonics import spherical_harmonics

NORMALIZATIONS = ("component", "norm", "integral")


class _S2Grid(torch.nn.Module):
    """What both directions share: the grid, and harmonics as a product of a function of β and one of α."""

    def __init__(self, lmax: int, res_beta: int, res_alpha: int) -> None:
        super().__init__()
        self.lmax, self.res_beta, self.res_alpha = lmax, res_beta, res_alpha
        for name in ("alphas", "betas", "sha", "shb"):
            self.register_buffer(name, torch.empty(0, dtype=torch.get_default_dtype()), persistent=False)
        self._fill()

    def _fill(self) -> None:
        raise NotImplementedError

    def _set(self, alphas: Tensor, betas: Tensor, sha: Tensor, shb: Tensor) -> None:
        self.alphas, self.betas = alphas.to(self.alphas), betas.to(self.betas)
        self.sha, self.shb = sha.to(self.sha), shb.to(self.shb)

    def _apply(self, fn, recurse: bool = True) -> "_S2Grid":
        super()._apply(fn, recurse)
        self._fill()  # with all the digits of the new type
        return self

    @property
    def grid(self) -> Tensor:
        """(res_beta, res_alpha, 3) directions."""
        beta, alpha = torch.meshgrid(self.betas, self.alphas, indexing="ij")
        return angles_to_xyz(alpha, beta)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(lmax={self.lmax} res={self.res_beta}x{self.res_alpha} (beta x alpha))"

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        for name in ("alphas", "betas", "sha", "shb"):  # constants that e3nn keeps in its checkpoints
            state_dict.pop(prefix + name, None)
        super()._load_from_state_dict(state_dict, prefix, *args)


class ToS2Grid(_S2Grid):
    """Evaluate f(x) = Σ_l n_l Σ_m F_lm Y_lm(x) on a grid of directions x(β, α).

    β_i = π (i + 1/2) / res_beta,   α_j = 2 π j / res_alpha,   x = (sin β sin α, cos β, sin β cos α)

    Y_lm is a function of β times one of α, so that a row costs two small matrix products instead of one large one.

    Args:
        lmax: largest degree; None: the largest that the grid resolves.
        res: res_beta, even, or (res_beta, res_alpha); None: the coarsest grid from which FromS2Grid recovers the coefficients.
        normalization: n_l = sqrt(4π / ((2l + 1) (lmax + 1))) ("component": F of unit variance gives f of unit variance),
            sqrt(4π / (lmax + 1)) ("norm"), 1 ("integral": Y is orthonormal); or a tensor (lmax + 1,).

    Attributes:
        grid: (res_beta, res_alpha, 3) the directions x.
        alphas, betas: (res_alpha,), (res_beta,) the angles.
        sha: (res_alpha, 2 lmax + 1) the functions of α.
        shb: (2 lmax + 1, res_beta, (lmax + 1)²) the functions of β times n_l.

    Raises:
        ValueError: if res_beta is odd or less than 2 (lmax + 1), lmax and res are both None, or normalization is another word.

    Example:
        >>> to_grid, from_grid = ToS2Grid(2, 6), FromS2Grid(6, 2)
        >>> to_grid
        ToS2Grid(lmax=2 res=6x5 (beta x alpha))
        >>> F = torch.randn(4, 9)
        >>> torch.allclose(from_grid(to_grid(F)), F, atol=1e-5)
        True

    Reference: Kostelec & Rockmore 2008, doi:10.1007/s00041-008-9013-5; Cohen et al. 2018, arXiv:1801.10130.
    """

    def __init__(
        self,
        lmax: int | None = None,
        res: int | tuple[int | None, int | None] | None = None,
        normalization: str | Tensor = "component",
    ) -> None:
        self._normalization = _checked_normalization("ToS2Grid", normalization)
        super().__init__(*_complete("ToS2Grid", lmax, res))

    def _fill(self) -> None:
        alphas, betas, sha, shb = _harmonics(self.lmax, self.res_beta, self.res_alpha)
        l, number = torch.arange(self.lmax + 1, dtype=torch.float64), self.lmax + 1
        factors = {
            "component": (4 * math.pi / ((2 * l + 1) * number)).sqrt(),
            "norm": torch.full((number,), math.sqrt(4 * math.pi / number), dtype=torch.float64),
            "integral": torch.ones(number, dtype=torch.float64),
        }
        n = _of_degrees("ToS2Grid", self._normalization, factors)
        self._set(alphas, betas, sha, shb * n.repeat_interleave(2 * l.long() + 1))

    def forward(self, x: Tensor) -> Tensor:
        """(..., (lmax + 1)²) coefficients F -> (..., res_beta, res_alpha) values of f."""
        if x.shape[-1] != (self.lmax + 1) ** 2:
            raise ValueError(
                f"ToS2Grid: expected coefficients with last axis (lmax + 1)² = {(self.lmax + 1) ** 2}, got shape {tuple(x.shape)}. "
                "Give one copy of each degree 0 ... lmax."
            )
        rows = torch.einsum("mbi,...i->...bm", self.shb, x)
        return rows @ self.sha.T


class FromS2Grid(_S2Grid):
    """The coefficients of a function on the grid, by a quadrature that is exact for degrees that the grid resolves.

    F_lm = n_l ∫ f(x) Y_lm(x) dx / 4π

    It is the inverse of ToS2Grid for functions without higher degrees than lmax, and the projection to degrees up to lmax for others.

    Args:
        res: see ToS2Grid.
        lmax: largest degree to find; None: the largest that the grid resolves.
        normalization: of the coefficients, see ToS2Grid.
        lmax_in: lmax of the ToS2Grid to be inverted, if it is not the same.

    Attributes:
        grid, alphas, betas, sha: see ToS2Grid.
        shb: (2 lmax + 1, res_beta, (lmax + 1)²) the functions of β times n_l and weights of the quadrature.

    Raises:
        ValueError: see ToS2Grid.

    Example:
        >>> from_grid = FromS2Grid((8, 7), 1, "integral")
        >>> from_grid(torch.ones(8, 7)).abs() < 1e-5  # only l = 0
        tensor([False,  True,  True,  True])

    Reference: see ToS2Grid.
    """

    def __init__(
        self,
        res: int | tuple[int | None, int | None] | None = None,
        lmax: int | None = None,
        normalization: str | Tensor = "component",
        lmax_in: int | None = None,
    ) -> None:
        self._normalization = _checked_normalization("FromS2Grid", normalization)
        lmax, res_beta, res_alpha = _complete("FromS2Grid", lmax, res)
        self._lmax_in = lmax if lmax_in is None else lmax_in
        super().__init__(lmax, res_beta, res_alpha)

    def _fill(self) -> None:
        alphas, betas, sha, shb = _harmonics(self.lmax, self.res_beta, self.res_alpha)
        l, number = torch.arange(self.lmax + 1, dtype=torch.float64), self._lmax_in + 1
        factors = {
            "component": (4 * math.pi * (2 * l + 1) * number).sqrt(),
            "norm": torch.full((self.lmax + 1,), math.sqrt(4 * math.pi * number), dtype=torch.float64),
            "integral": torch.full((self.lmax + 1,), 4 * math.pi, dtype=torch.float64),
        }
        n = _of_degrees("FromS2Grid", self._normalization, factors)
        weights = _quadrature_weights(self.res_beta) / self.res_alpha
        self._set(alphas, betas, sha, shb * n.repeat_interleave(2 * l.long() + 1) * weights[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """(..., res_beta, res_alpha) values on the grid -> (..., (lmax + 1)²) coefficients."""
        if x.shape[-2:] != (self.res_beta, self.res_alpha):
            raise ValueError(
                f"FromS2Grid: expected values with last axes ({self.res_beta}, {self.res_alpha}), got shape {tuple(x.shape)}. Evaluate "
                "the function at `grid`."
            )
        return torch.einsum("mbi,...bm->...i", self.shb, x @ self.sha)


def _complete(name: str, lmax: int | None, res: int | tuple[int | None, int | None] | None) -> tuple[int, int, int]:
    """What is not given of lmax, res_beta and res_alpha; an odd number of α needs the fewest."""
    res_beta, res_alpha = (res, None) if isinstance(res, int) or res is None else res
    if res_beta is None:
        if lmax is None and res_alpha is None:
            raise ValueError(f"{name}: expected lmax or res, got neither. Give lmax=2, for example.")
        res_beta = 2 * (lmax + 1) if lmax is not None else 2 * ((res_alpha + 1) // 2)
    if res_alpha is None:
        res_alpha = res_beta - 1 if lmax is None else max(2 * lmax + 1, res_beta - 1)
    if lmax is None:
        lmax = min(res_beta // 2 - 1, (res_alpha - 1) // 2)
    if res_beta % 2 or res_beta < 2 * (lmax + 1) or lmax < 0 or res_alpha < 1:
        raise ValueError(
            f"{name}: expected an even res_beta of at least 2 (lmax + 1) = {2 * (lmax + 1)}, got res_beta={res_beta}, "
            f"res_alpha={res_alpha}, lmax={lmax}. Raise the resolution, or lower lmax."
        )
    return lmax, res_beta, res_alpha


def _harmonics(lmax: int, res_beta: int, res_alpha: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """alphas, betas, sha (alpha, m), shb (m, beta, lm) with Y_lm(α, β) = Σ_m' sha[α, m'] shb[m', β, lm], orthonormal, float64."""
    betas = (torch.arange(res_beta, dtype=torch.float64) + 0.5) / res_beta * math.pi
    alphas = torch.arange(res_alpha, dtype=torch.float64) / res_alpha * 2 * math.pi
    angles = torch.arange(1, lmax + 1) * alphas[:, None]
    sines, cosines = math.sqrt(2) * angles.sin().flip(1), math.sqrt(2) * angles.cos()
    sha = torch.cat([sines, torch.ones_like(alphas)[:, None], cosines], 1)
    # at α = 0 only m >= 0 is left; the function of β is the same for m and -m
    at_zero = spherical_harmonics(list(range(lmax + 1)), angles_to_xyz(torch.zeros_like(betas), betas), True)
    shb = betas.new_zeros(2 * lmax + 1, res_beta, (lmax + 1) ** 2)
    for l in range(lmax + 1):
        for m in range(-l, l + 1):
            middle = l * l + l
            shb[lmax + m, :, middle + m] = at_zero[:, middle + abs(m)] / (1 if m == 0 else math.sqrt(2))
    return alphas, betas, sha, shb


def _quadrature_weights(res_beta: int) -> Tensor:
    """(res_beta,) w_i with Σ_i w_i f(β_i) = ∫ f(β) sin β dβ / 2 for polynomials f in cos β of degree less than res_beta."""
    i, k = torch.arange(res_beta, dtype=torch.float64), torch.arange(res_beta // 2, dtype=torch.float64)
    beta = (i + 0.5) * math.pi / res_beta
    return 2 / res_beta * beta.sin() * ((2 * k + 1) * beta[:, None]).sin().div(2 * k + 1).sum(1)


def _checked_normalization(name: str, normalization: str | Tensor) -> str | Tensor:
    if not isinstance(normalization, Tensor) and normalization not in NORMALIZATIONS:
        raise ValueError(
            f"{name}: expected a normalization of {', '.join(NORMALIZATIONS)} or a tensor, got {normalization!r}. Choose one."
        )
    return normalization


def _of_degrees(name: str, normalization: str | Tensor, factors: dict[str, Tensor]) -> Tensor:
    """(lmax + 1,) n_l."""
    if not isinstance(normalization, Tensor):
        return factors[normalization]
    shape = factors["norm"].shape
    if normalization.shape != shape:
        raise ValueError(
            f"{name}: expected normalization of shape {tuple(shape)}, one factor per degree, got {tuple(normalization.shape)}. Give "
            "lmax + 1 numbers."
        )
    return normalization.double().cpu()
