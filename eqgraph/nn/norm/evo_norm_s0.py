"""EvoNorm-S0, a normalization and nonlinearity in one, that commutes with rotations and inversion."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .evo_factors import evo_factors
from .group_norm import equal_groups
from .group_variance import group_variance
from .grouped_norm import GroupedNorm
from .groups import Groups
from .nodes import Nodes
from .row_blocks import in_row_blocks
from .scale_irreps import lengths, signed_sizes
from .type_blocks import TypeBlocks


class EvoNormS0(GroupedNorm):
    """Gate each irrep by a function of itself, and divide by the standard deviation of its group over its graph.

    y = x · sigmoid(v n) / sqrt(σ² + ε) · weight + bias,  n = x for 0e, n = sqrt(|x|² / (2l + 1) + ε) for others

    with σ² as in GroupNorm: the variance of 0e, the mean of |x|² / (2l + 1) of others, over a group and the nodes of a graph.

    Args:
        irreps: irreps of the input.
        groups: number of groups of each type (l, p).
        group_size: number of irreps of each group instead.
        eps: added to σ² inside the square root.
        affine: whether there are weights (one per irrep) and biases (one per 0e).
        apply_act: whether it does anything but the weights and biases, which stay if not: the last layer of a block does without.
        mode: "graph", or "node": σ² of each node alone.

    Raises:
        ValueError: if the groups do not divide the irreps of each type, for an unknown mode, or an input that does not fit.

    Example:
        >>> norm = EvoNormS0("4x0e + 2x1o", groups=2)
        >>> norm, norm(torch.randn(10, 10)).shape
        (EvoNormS0 (4x0e+2x1o, eps=1e-05, mode=graph), torch.Size([10, 10]))

    Reference: Liu et al. 2020, arXiv:2004.02967; options are those of timm's EvoNorm2dS0.
    """

    def __init__(
        self,
        irreps: Irreps | str,
        groups: int = 32,
        group_size: int | None = None,
        eps: float = 1e-5,
        affine: bool = True,
        apply_act: bool = True,
        mode: str = "graph",
    ) -> None:
        numbers = equal_groups("EvoNormS0", irreps, groups) if group_size is None else _of_size(irreps, group_size)
        super().__init__(irreps, Groups(irreps, numbers), eps, affine, affine, mode)
        self.apply_act = apply_act
        self.is_local = mode == "node" or not apply_act
        self.register_parameter("v", torch.nn.Parameter(torch.ones(self.layout.num_copies)) if apply_act else None)

    def reset_parameters(self) -> None:
        """Weights and v to one, biases to zero."""
        super().reset_parameters()
        if self.v is not None:
            torch.nn.init.ones_(self.v)

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        if self.v is None:
            ones = x.new_ones(self.layout.num_copies) if self.weight is None else self.weight
            return self.affine_map(x, self.layout.to_columns(ones.to(x.dtype)))
        weight, v = (None if value is None else value.to(x.dtype) for value in (self.weight, self.v))
        if self.mode == "node":
            return self.shifted(in_row_blocks(self._rows_gated, x, weight, v))
        scale = self._scale(group_variance(x, self.groups, nodes)[1], weight)
        bias = self.bias_columns()
        return evo_factors(x, self.layout, "S0", self._gates, v, scale, bias=bias, graph=nodes.graph, eps=self.eps)

    def _scale(self, variance: Tensor, weight: Tensor | None) -> Tensor:
        """(rows, statistics) -> (rows, num_copies): weight / sqrt(σ² + ε)."""
        scale = self.groups.to_columns((variance + self.eps).rsqrt()).index_select(1, self.layout.first_column)
        return scale if weight is None else scale * weight

    def _gates(self, sizes: Tensor, v: Tensor, scale: Tensor, graph: Tensor) -> Tensor:
        return (lengths(sizes, self.layout, self.eps) * v).sigmoid() * scale.index_select(0, graph)

    def _rows_gated(self, x: Tensor, weight: Tensor | None, v: Tensor) -> Tensor:
        scale = self._scale(self.groups.mean_square(self.groups.centred(x).square()), weight)
        return self.layout.scaled(
            x, (lengths(signed_sizes(x, self.layout), self.layout, self.eps) * v).sigmoid() * scale
        )


def _of_size(irreps: Irreps | str, group_size: int) -> list[int]:
    muls = [mul for mul, _, _ in TypeBlocks(irreps).types]
    if group_size < 1 or any(mul % group_size for mul in muls):
        raise ValueError(
            f"EvoNormS0: expected group_size to divide the number of irreps of every type in '{Irreps(irreps)}', which are {muls}, got "
            f"{group_size}. Choose a divisor of all, 1 for example."
        )
    return [mul // group_size for mul in muls]
