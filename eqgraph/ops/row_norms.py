"""What a normalization of rows by their own statistics is, for kernels."""

from typing import NamedTuple


class Group(NamedTuple):
    """Columns that share a mean."""

    spans: tuple[tuple[int, int], ...]
    """[(first column, last + 1)] of neighbors."""
    share: float
    """How much the square of a column counts in σ²."""
    centres: bool
    """Whether their mean is subtracted; else it is zero."""


class RowNorm(NamedTuple):
    """All that a kernel depends on, besides the dtype."""

    statistics: tuple[tuple[Group, ...], ...]
    """The groups that share each σ²."""
    eps: float

    @property
    def dim(self) -> int:
        """Number of columns."""
        return max(stop for groups in self.statistics for group in groups for _, stop in group.spans)
