"""EvoNorm-S0, a normalization and nonlinearity in one, that commutes with rotations and inversion."""

import functools

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .group_norm import equal_groups
from .grouped_norm import GroupedNorm
from .layout import sum_components, to_components
from .nodes import Nodes
from .row_blocks import in_row_blocks
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
        super().__init__(irreps, numbers, eps, affine, affine, mode)
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
        weight, bias, v = (None if value is None else value.to(x.dtype) for value in (self.weight, self.bias, self.v))
        if self.mode == "node":
            return in_row_blocks(self.standardized, x, weight, bias, v)
        return self.standardized(x, weight, bias, v, nodes=nodes)

    def numerators(self, parts: list[Tensor], centred: list[Tensor], v: Tensor) -> list[Tensor]:
        gates = zip(parts, self.groups.split_copies(v), self.groups.types, strict=True)
        return [in_row_blocks(functools.partial(self._gated, kind), part, scale) for part, scale, kind in gates]

    def _gated(self, kind: tuple[int, int, bool], part: Tensor, v: Tensor) -> Tensor:
        """(rows, mul (2l + 1)) irreps of one kind (mul, 2l + 1, whether 0e) times sigmoid(v n)."""
        _, dim, is_scalar = kind
        sizes = part if is_scalar else (sum_components(part.square(), dim) / dim + self.eps).sqrt()
        return part * to_components((sizes * v).sigmoid(), dim)


def _of_size(irreps: Irreps | str, group_size: int) -> list[int]:
    muls = [mul for mul, _, _ in TypeBlocks(irreps).types]
    if group_size < 1 or any(mul % group_size for mul in muls):
        raise ValueError(
            f"EvoNormS0: expected group_size to divide the number of irreps of every type in '{Irreps(irreps)}', which are {muls}, got "
            f"{group_size}. Choose a divisor of all, 1 for example."
        )
    return [mul // group_size for mul in muls]
