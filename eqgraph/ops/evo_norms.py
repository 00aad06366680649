"""What the factors of EvoNorm are, for kernels."""

from typing import NamedTuple


class EvoNorm(NamedTuple):
    """y = x f + b with a factor f for each irrep, where n = x for 0e, n = sqrt(|x|² / (2l + 1) + eps) for others.

    "S0": f = sigmoid(v n) s,  "B0": f = w / max(a, v n + s);  s belongs to the graph of the row; b of 0e count only.
    """

    kind: str
    blocks: tuple[tuple[int, int, int, bool], ...]
    """(first column, mul, 2l + 1, whether 0e) of the irreps in a row."""
    eps: float

    @property
    def dim(self) -> int:
        """Number of columns."""
        return sum(mul * dim for _, mul, dim, _ in self.blocks)

    @property
    def num_copies(self) -> int:
        """Number of irreps."""
        return sum(mul for _, mul, _, _ in self.blocks)
