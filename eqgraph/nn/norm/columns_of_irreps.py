"""Which columns of the features share a statistic, where each irrep has its own."""

from typing import NamedTuple

from torch import Tensor

from .layout import Layout


class ColumnsOfIrreps(NamedTuple):
    """The maps between columns and statistics where each irrep has a mean square of its own, and each 0e, or each column, its mean.

    Groups are the same maps where several irreps share statistics. All else about a normalization is elementwise.

    Example:
        >>> import torch
        >>> columns = ColumnsOfIrreps(Layout("1x0e + 1x1o"), "component")
        >>> columns.mean(torch.ones(1, 4)), columns.mean_square(torch.tensor([[1.0, 1.0, 2.0, 3.0]]))
        (tensor([[1., 0., 0., 0.]]), tensor([[1., 2.]]))
    """

    layout: Layout
    normalization: str
    """"component" or "norm"."""
    centre_all: bool = False
    """Whether all columns have a mean, not only those of 0e."""

    def mean(self, averages: Tensor) -> Tensor:
        """(rows, dim) -> (rows, dim): zero for what is not centred; a projection."""
        return averages if self.centre_all else averages * self.layout.is_scalar.to(averages.dtype)

    def mean_square(self, squares: Tensor) -> Tensor:
        """(rows, dim) -> (rows, num_copies)."""
        return self.layout.sum_columns(squares, self.normalization)

    def mean_square_gradient(self, g: Tensor) -> Tensor:
        """(rows, num_copies) -> (rows, dim): the transpose of mean_square."""
        return self.layout.to_columns(g) * self.layout.shares(self.normalization).to(g.dtype)

    def to_columns(self, statistics: Tensor) -> Tensor:
        """(rows, num_copies) -> (rows, dim): what belongs to each column."""
        return self.layout.to_columns(statistics)

    def to_columns_gradient(self, g: Tensor) -> Tensor:
        """(rows, dim) -> (rows, num_copies): the transpose of to_columns."""
        return self.layout.sum_columns(g, "norm")
