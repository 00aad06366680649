"""Normalizations by the statistics of groups of irreps, of each node or of all nodes of a graph."""

from collections.abc import Sequence

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .affine_norm import AffineNorm
from .groups import Groups
from .nodes import Nodes
from .options import check_choice
from .row_blocks import in_row_blocks


class GroupedNorm(AffineNorm):
    """y = (x - μ) / sqrt(σ² + ε) · weight + bias, with the mean μ of the 0e of a group and the mean square σ² of a group.

    Args:
        irreps: irreps of the input and output.
        num_groups: number of groups of each type (l, p), as in `TypeBlocks(irreps).types`.
        eps: see AffineNorm.
        affine: see AffineNorm.
        bias: see AffineNorm.
        mode: "node": statistics of each node; "graph": over all nodes of a graph.
        normalization: "component" or "norm".
        centering: whether μ is subtracted; else it is taken to be zero.
    """

    def __init__(
        self,
        irreps: Irreps | str,
        num_groups: Sequence[int],
        eps: float,
        affine: bool,
        bias: bool,
        mode: str,
        normalization: str = "component",
        centering: bool = True,
    ) -> None:
        super().__init__(irreps, eps, affine, bias)
        check_choice(self, "mode", mode, ("node", "graph"))
        check_choice(self, "normalization", normalization, ("component", "norm"))
        self.mode, self.normalization = mode, normalization
        self.centering = centering and self.layout.num_scalars > 0
        self.groups = Groups(self.irreps, num_groups, normalization)
        self.is_local = mode == "node"

    def extra_repr(self) -> str:
        return f"eps={self.eps}, mode={self.mode}"

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        weight, bias = (None if value is None else value.to(x.dtype) for value in (self.weight, self.bias))
        if self.mode == "node":
            return in_row_blocks(self.normalize_rows, x, weight, bias)
        return self.affine_map(*self.graph_statistics(x, nodes, weight))

    def graph_statistics(self, x: Tensor, nodes: Nodes, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        """Centred features (nodes, dim) and their factors, (nodes, dim) or (1, dim), by the statistics of graphs."""
        centred = x
        if self.centering:
            mean = self.groups.scalar_mean(nodes.graph_average(x.index_select(1, self.layout.scalar_columns)))
            centred = x - nodes.spread(self.layout.scalars_to_columns(mean))
        squares = self.groups.split(nodes.graph_average(centred.square()))
        return centred, nodes.spread(self.groups.join(self.columns(self.groups.mean(squares), weight)))

    def normalize_rows(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, *further: Tensor) -> Tensor:
        """Each row on its own."""
        groups = self.groups
        parts = groups.split(x)
        centred = groups.centred(parts) if self.centering else parts
        columns = self.columns(groups.mean_square(centred), weight)
        return groups.join(
            [
                part * factors if bias is None or not is_scalar else torch.addcmul(bias, part, factors)
                for part, factors, (_, _, is_scalar) in zip(
                    self.numerators(parts, centred, *further), columns, groups.types, strict=True
                )
            ]
        )

    def numerators(self, parts: list[Tensor], centred: list[Tensor]) -> list[Tensor]:
        """What is divided: blocks of the types, given those of x and of x less the means."""
        return centred

    def columns(self, mean_square: Tensor, weight: Tensor | None) -> list[Tensor]:
        """(rows, groups) mean squares -> factors (rows, mul (2l + 1)) of each type."""
        weights = None if weight is None else self.groups.split_copies(weight)
        return self.groups.to_columns((self.shared(mean_square) + self.eps).rsqrt(), weights)

    def shared(self, mean_square: Tensor) -> Tensor:
        """(rows, groups) mean squares -> those to normalize by; subclasses may share them between groups."""
        return mean_square
