"""The columns of each type of irrep, gathered."""

from collections.abc import Sequence

import torch
from torch import Tensor

from eqgraph.o3 import Irreps


class TypeBlocks(torch.nn.Module):
    """Rows cut into one block per type (l, p), where its irreps stand in the order in which they appear, whatever entry they are in.

    Args:
        irreps: of a row.

    Attributes:
        types: [(mul, 2l + 1, whether 0e)] of the types that occur, sorted, each once; plain numbers.

    Example:
        >>> blocks = TypeBlocks("1x0e + 1x1o + 1x0e")
        >>> blocks.types
        [(2, 1, True), (1, 3, False)]
        >>> blocks.split(torch.arange(5))
        [tensor([0, 4]), tensor([1, 2, 3])]
        >>> blocks.join(blocks.split(torch.arange(5)))
        tensor([0, 1, 2, 3, 4])
    """

    def __init__(self, irreps: Irreps | str) -> None:
        super().__init__()
        irreps = Irreps(irreps)
        self._muls = [mul for mul, _ in irreps]
        self._dims = [ir.dim for _, ir in irreps]
        kinds = sorted({ir for mul, ir in irreps if mul})
        self._entries = [[i for i, (mul, ir) in enumerate(irreps) if ir == kind and mul] for kind in kinds]
        self.types = [
            (sum(self._muls[i] for i in entries), kind.dim, kind.is_scalar())
            for kind, entries in zip(kinds, self._entries, strict=True)
        ]

    def split(self, x: Tensor) -> list[Tensor]:
        """(..., dim) -> (..., mul (2l + 1)) for each type."""
        return self._gathered(x, [mul * dim for mul, dim in zip(self._muls, self._dims, strict=True)])

    def split_copies(self, copies: Tensor) -> list[Tensor]:
        """(..., num_copies) -> (..., mul) for each type."""
        return self._gathered(copies, self._muls)

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """The inverse of split."""
        return self._in_order(parts, [mul * dim for mul, dim in zip(self._muls, self._dims, strict=True)])

    def join_copies(self, parts: Sequence[Tensor]) -> Tensor:
        """The inverse of split_copies."""
        return self._in_order(parts, self._muls)

    def _in_order(self, parts: Sequence[Tensor], sizes: list[int]) -> Tensor:
        blocks: dict[int, Tensor] = {}
        for part, entries in zip(parts, self._entries, strict=True):
            blocks.update(zip(entries, part.split([sizes[i] for i in entries], -1), strict=True))
        return torch.cat([blocks[i] for i in sorted(blocks)], -1)

    def _gathered(self, values: Tensor, sizes: list[int]) -> list[Tensor]:
        blocks = values.split(sizes, -1)
        return [
            blocks[entries[0]] if len(entries) == 1 else torch.cat([blocks[i] for i in entries], -1)
            for entries in self._entries
        ]
