"""Where the irreps of a row stand, and sums over the components, copies and types of them."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps


class Layout(torch.nn.Module):
    """Columns of a row of features, copies of irreps ("channels"), and types (l, p) of them.

    Splitting or reordering equal irreps changes the order of copies, and nothing else: types are found by (l, p), not by entry.

    Args:
        irreps: of a row.

    Attributes:
        dim: number of columns.
        num_copies: number of irreps, copies counted.
        num_scalars: number of 0e.
        num_types: number of different (l, p).
        copy_of_column: (dim,) the copy to which each column belongs.
        first_column: (num_copies,) of each copy.
        type_of_copy: (num_copies,) the type of each copy.
        type_of_column: (dim,).
        is_scalar: (dim,) ones for columns of 0e, zeros for the others, floats.
        scalar_columns: (num_scalars,) columns of the 0e.
        scalar_copies: (num_scalars,) copies that are 0e.
        dim_of_copy: (num_copies,) 2l + 1, a float.
        blocks: [(first column, mul, 2l + 1, whether 0e)] of the entries, plain numbers.

    Example:
        >>> layout = Layout("2x0e + 1x1o")
        >>> layout.copy_of_column
        tensor([0, 1, 2, 2, 2])
        >>> layout.power(torch.tensor([[1.0, 2.0, 1.0, 2.0, 3.0]]), "norm")
        tensor([[ 1.,  4., 14.]])
    """

    def __init__(self, irreps: Irreps | str) -> None:
        super().__init__()
        irreps = Irreps(irreps)
        copies = [ir for mul, ir in irreps for _ in range(mul)]
        types = sorted(set(copies))
        dims = [ir.dim for ir in copies]
        self.dim, self.num_copies, self.num_types = irreps.dim, len(copies), len(types)
        self.num_scalars = sum(ir.is_scalar() for ir in copies)
        self.blocks, start = [], 0
        for mul, ir in irreps:
            self.blocks.append((start, mul, ir.dim, ir.is_scalar()))
            start += mul * ir.dim
        copy_of_column = torch.arange(len(copies)).repeat_interleave(torch.tensor(dims, dtype=torch.int64))
        type_of_copy = torch.tensor([types.index(ir) for ir in copies], dtype=torch.int64)
        is_scalar = torch.tensor([ir.is_scalar() for ir in copies], dtype=torch.bool)
        for name, values in (
            ("copy_of_column", copy_of_column),
            ("first_column", torch.tensor(dims, dtype=torch.int64).cumsum(0) - torch.tensor(dims, dtype=torch.int64)),
            ("type_of_copy", type_of_copy),
            ("type_of_column", type_of_copy[copy_of_column]),
            ("scalar_copies", is_scalar.nonzero().flatten()),
            ("is_scalar", is_scalar[copy_of_column].double()),
            ("scalar_columns", is_scalar[copy_of_column].nonzero().flatten()),
            ("dim_of_copy", torch.tensor(dims, dtype=torch.float64)),
        ):
            self.register_buffer(name, values, persistent=False)

    def sum_columns(self, columns: Tensor, normalization: str) -> Tensor:
        """(..., dim) squares -> (..., num_copies): their sum ("norm") or mean ("component") over the components of each irrep.

        For few rows: statistics that were already taken over nodes. See power for features.
        """
        sums = columns.new_zeros(*columns.shape[:-1], self.num_copies).index_add(-1, self.copy_of_column, columns)
        return sums if normalization == "norm" else sums / self.dim_of_copy.to(columns.dtype)

    def shares(self, normalization: str) -> Tensor:
        """(dim,) how much a column's square counts in the power of its irrep: 1 ("norm") or 1 / (2l + 1) ("component")."""
        if normalization == "norm":
            return torch.ones_like(self.is_scalar)
        return self.dim_of_copy.reciprocal().index_select(0, self.copy_of_column)

    def power(self, x: Tensor, normalization: str) -> Tensor:
        """(nodes, dim) features -> (nodes, num_copies): |x|² ("norm") or |x|² / (2l + 1) ("component") of each irrep."""
        parts = []
        for block, (_, _, dim, _) in zip(self.split(x), self.blocks, strict=True):
            squares = sum_components(block.square(), dim)
            parts.append(squares / dim if normalization == "component" and dim > 1 else squares)
        return torch.cat(parts, 1) if parts else x.new_zeros(len(x), 0)

    def to_columns(self, copies: Tensor) -> Tensor:
        """(..., num_copies) -> (..., dim): what belongs to an irrep, for each of its components. For few rows: see scaled."""
        return copies.index_select(-1, self.copy_of_column)

    def scaled(self, x: Tensor, copies: Tensor) -> Tensor:
        """(nodes, dim) features times a factor (nodes, num_copies) for each irrep."""
        factors = copies.split([mul for _, mul, _, _ in self.blocks], 1)
        parts = [
            block * to_components(factor, dim)
            for block, factor, (_, _, dim, _) in zip(self.split(x), factors, self.blocks, strict=True)
        ]
        return torch.cat(parts, 1) if parts else x

    def scalars_to_columns(self, scalars: Tensor) -> Tensor:
        """(..., num_scalars) -> (..., dim): zero for everything that is not a 0e."""
        zeros = scalars.new_zeros(*scalars.shape[:-1], self.dim)
        return zeros.index_copy(-1, self.scalar_columns, scalars)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """(nodes, dim) -> the columns of each entry; unlike that of slices, the gradient of this is one concatenation."""
        return x.split([mul * dim for _, mul, dim, _ in self.blocks], 1)


def sum_components(x: Tensor, dim: int) -> Tensor:
    """(rows, mul dim) -> (rows, mul): sums over the components of irreps of one type.

    As a product with a column of ones: sums over an axis as short as this take three times as long.

    Example:
        >>> sum_components(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), 2)
        tensor([[3., 7.]])
    """
    if dim == 1:
        return x
    return (x.reshape(-1, dim) @ x.new_ones(dim, 1)).view(len(x), x.shape[1] // dim)


def to_components(values: Tensor, dim: int) -> Tensor:
    """(rows, mul) -> (rows, mul dim): what belongs to irreps of one type for each of their components.

    Example:
        >>> to_components(torch.tensor([[1.0, 2.0]]), 2)
        tensor([[1., 1., 2., 2.]])
    """
    if dim == 1:
        return values
    if (
        torch.is_grad_enabled()
    ):  # a product, since the gradient of expand, a sum over an axis as short, is slower than that of this
        return (values.reshape(-1, 1) @ values.new_ones(1, dim)).view(len(values), values.shape[1] * dim)
    return values.unsqueeze(-1).expand(-1, -1, dim).flatten(1)
