"""What a local response normalization is, for kernels."""

from typing import NamedTuple


class Run(NamedTuple):
    """Irreps of one type in neighboring columns."""

    start: int
    """First column."""
    mul: int
    dim: int
    """2l + 1."""
    kind: int
    """Which type."""
    position: int
    """Of the first one among the irreps of its type."""
    share: float
    """How much |x|² counts in the sums."""


class LocalResponse(NamedTuple):
    """y_c = x_c s_c^(-3/4),  s_c = k + share Σ |x_c'|².

    The sum is over the size // 2 irreps of its type before c, c itself, and the (size - 1) // 2 after it.
    """

    runs: tuple[Run, ...]
    size: int
    k: float

    @property
    def dim(self) -> int:
        """Number of columns."""
        return sum(run.mul * run.dim for run in self.runs)
