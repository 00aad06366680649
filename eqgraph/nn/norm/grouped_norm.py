"""Normalizations by the statistics of groups of irreps, of each node or of all nodes of a graph."""

from torch import Tensor

from eqgraph.o3 import Irreps

from .affine_norm import AffineNorm
from .groups import Groups
from .nodes import Nodes
from .options import check_choice
from .standardize_groups import standardize_groups
from .standardize_rows import standardize_rows


class GroupedNorm(AffineNorm):
    """y = (x - μ) / sqrt(σ² + ε) · weight + bias, with the mean μ of the 0e of a group and the mean square σ² of a group.

    Args:
        irreps: irreps of the input and output.
        groups: which irreps share statistics.
        eps: see AffineNorm.
        affine: see AffineNorm.
        bias: see AffineNorm.
        mode: "node": statistics of each node; "graph": over all nodes of a graph.
    """

    def __init__(self, irreps: Irreps | str, groups: Groups, eps: float, affine: bool, bias: bool, mode: str) -> None:
        super().__init__(irreps, eps, affine, bias)
        check_choice(self, "mode", mode, ("node", "graph"))
        self.mode, self.groups = mode, groups
        self.is_local = mode == "node"

    def extra_repr(self) -> str:
        return f"eps={self.eps}, mode={self.mode}"

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        weight, bias = (None if value is None else value.to(x.dtype) for value in self.columns_of_parameters())
        if self.mode == "node":
            return standardize_rows(x, weight, bias, self.groups, self.eps)
        return standardize_groups(x, weight, bias, None, self.groups, nodes, self.eps)[0]
