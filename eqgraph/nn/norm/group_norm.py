"""Group normalization that commutes with rotations and inversion."""

from eqgraph.o3 import Irreps

from .grouped_norm import GroupedNorm
from .groups import Groups
from .type_blocks import TypeBlocks


class GroupNorm(GroupedNorm):
    """Normalize groups of consecutive irreps of a type by their mean square over a graph, after the 0e of a group were centred.

    y = (x - μ) / sqrt(σ² + ε) · weight + bias

    with means over the irreps of a group and the nodes of a graph: μ of 0e, σ² of |x - μ|² / (2l + 1). The irreps of each type (l, p),
    in the order in which they appear, whatever entries they are in, are cut into num_groups groups. One group is
    LayerNorm(scope="irrep", mode="graph"); as many groups as irreps is InstanceNorm.

    Args:
        irreps: irreps of the input.
        num_groups: number of groups of each type.
        eps: added to σ² inside the square root.
        affine: whether there are weights (one per irrep) and biases (one per 0e).
        bias: whether an affine layer has biases.
        mode: "graph": means over the nodes of a graph, too, as torch.nn.GroupNorm over pixels; "node": of each node alone.

    Raises:
        ValueError: if num_groups does not divide the number of irreps of each type, for an unknown mode, or an input that does not fit.

    Example:
        >>> import torch
        >>> norm = GroupNorm("4x0e + 2x1o", num_groups=2)
        >>> norm, norm(torch.randn(10, 10)).shape
        (GroupNorm (4x0e+2x1o, num_groups=2, eps=1e-05, mode=graph), torch.Size([10, 10]))

    Reference: Wu & He 2018, arXiv:1803.08494.
    """

    def __init__(
        self,
        irreps: Irreps | str,
        num_groups: int,
        eps: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
        mode: str = "graph",
    ) -> None:
        groups = Groups(irreps, equal_groups("GroupNorm", irreps, num_groups))
        super().__init__(irreps, groups, eps, affine, affine and bias, mode)
        self.num_groups = num_groups

    def extra_repr(self) -> str:
        return f"num_groups={self.num_groups}, eps={self.eps}, mode={self.mode}"


def equal_groups(name: str, irreps: Irreps | str, num_groups: int) -> list[int]:
    """num_groups for each type, if that is possible.

    Example:
        >>> equal_groups("GroupNorm", "4x0e + 2x1o", 2)
        [2, 2]
    """
    muls = [mul for mul, _, _ in TypeBlocks(irreps).types]
    if num_groups < 1 or any(mul % num_groups for mul in muls):
        raise ValueError(
            f"{name}: expected num_groups to divide the number of irreps of every type in '{Irreps(irreps)}', which are {muls}, got "
            f"{num_groups}. Choose a divisor of all, 1 for example."
        )
    return [num_groups] * len(muls)
