"""Normalizations by the statistics of groups of irreps, of each node or of all nodes of a graph."""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .affine_norm import AffineNorm
from .groups import Groups
from .nodes import Nodes
from .options import check_choice
from .row_blocks import in_row_blocks, with_gradient


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
            return in_row_blocks(self.standardized, x, weight, bias, gradient=self.gradient)
        of_graphs = {"nodes": nodes}
        return with_gradient(
            functools.partial(self.standardized, **of_graphs),
            functools.partial(self.gradient, **of_graphs),
            x,
            weight,
            bias,
        )

    def standardized(
        self, x: Tensor, weight: Tensor | None, bias: Tensor | None, *further: Tensor, nodes: Nodes | None = None
    ) -> Tensor:
        """(rows, dim) to the same, by the statistics of rows, or of the graphs of nodes."""
        parts = self.groups.split(x)
        centred = self.centred(parts, nodes)
        factors = self._spread(self.groups.to_columns(self.scale(centred, nodes), weight), nodes)
        numerators = self.numerators(parts, centred, *further)
        return self.groups.join(
            [
                part * factor if bias is None or not is_scalar else torch.addcmul(bias, part, factor)
                for part, factor, (_, _, is_scalar) in zip(numerators, factors, self.groups.types, strict=True)
            ]
        )

    def gradient(
        self, g: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None, nodes: Nodes | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """That of standardized, in fewer passes than autograd's: with c = x - μ, y = c f + bias, f = r w, dr = -r³ dσ² / 2."""
        groups, of_outputs = self.groups, self.groups.split(g)
        with torch.no_grad():
            centred = self.centred(groups.split(x), nodes)
            scale = self.scale(centred, nodes)
            products = [gradient * part for gradient, part in zip(of_outputs, centred, strict=True)]
            if nodes is not None:
                products = [nodes.graph_total(product) for product in products]
            of_scale, of_weight = groups.to_columns_gradient(products, scale, weight)
            of_variance = -of_scale * scale.pow(3)  # of half the variance: squares bring a factor of two
            if nodes is not None:
                of_variance = of_variance / nodes.graph_count(x).clamp(min=1)
            mixing = self.mixing(x.dtype)
            slopes = self._spread(
                groups.mean_gradient(of_variance if mixing is None else of_variance @ mixing.T), nodes
            )
            factors = self._spread(groups.to_columns(scale, weight), nodes)
            parts = [
                (gradient * factor).addcmul_(part, slope)
                for gradient, factor, part, slope in zip(of_outputs, factors, centred, slopes, strict=True)
            ]
            of_bias = None
            if bias is not None:
                scalars = [
                    gradient for gradient, (_, _, is_scalar) in zip(of_outputs, groups.types, strict=True) if is_scalar
                ]
                of_bias = scalars[0].sum(0) if scalars else torch.zeros_like(bias)
            return groups.join(self.centred(parts, nodes)), of_weight, of_bias

    def centred(self, parts: list[Tensor], nodes: Nodes | None) -> list[Tensor]:
        """Blocks of the types, the 0e less their means: a projection, so its own transpose in the gradient."""
        if not self.centering:
            return parts
        out = []
        for part, (_, _, is_scalar) in zip(parts, self.groups.types, strict=True):
            if not is_scalar:
                out.append(part)
            elif nodes is None:
                out.append(part - self.groups.scalar_mean(part))
            else:
                out.append(part - nodes.spread(self.groups.scalar_mean(nodes.graph_average(part))))
        return out

    def scale(self, centred: list[Tensor], nodes: Nodes | None) -> Tensor:
        """Blocks of the types -> (rows or graphs, groups): 1 / sqrt(σ² + ε)."""
        squares = [part.square() for part in centred]
        mean_square = self.groups.mean(
            squares if nodes is None else [nodes.graph_average(square) for square in squares]
        )
        mixing = self.mixing(mean_square.dtype)
        return ((mean_square if mixing is None else mean_square @ mixing) + self.eps).rsqrt()

    def numerators(self, parts: list[Tensor], centred: list[Tensor]) -> list[Tensor]:
        """What is divided: blocks of the types, given those of x and of x less the means."""
        return centred

    def mixing(self, dtype: torch.dtype) -> Tensor | None:
        """(groups, groups) the share of each group (row) in the σ² of each (column); None: each has its own."""
        return None

    @staticmethod
    def _spread(parts: list[Tensor], nodes: Nodes | None) -> list[Tensor]:
        return parts if nodes is None else [nodes.spread(part) for part in parts]
