"""Layer normalization that commutes with rotations and inversion."""

import warnings

from eqgraph.o3 import Irreps

from .grouped_norm import GroupedNorm
from .groups import Groups
from .options import check_choice
from .type_blocks import TypeBlocks


class LayerNorm(GroupedNorm):
    """Normalize the irreps of a node by their mean square over each other, after 0e were centred.

    y = (x - μ) / sqrt(σ² + ε) · weight + bias

    with μ the mean of all 0e of a node, and σ² a mean over a set of irreps of that node: the irreps of one type (l, p) ("irrep"); 0e on
    their own, and all others together ("separable"); or all irreps together ("merged"). For a single type, σ² is the mean of
    |x - μ|² / (2l + 1) ("component") or |x|² ("norm"); for several, the mean over types of that. On 0e alone all scopes are
    torch.nn.LayerNorm. A weight belongs to an irrep, not to a node, so that the order of nodes stays free.

    Args:
        irreps: irreps of the input.
        eps: added to σ² inside the square root.
        elementwise_affine: whether there are weights (one per irrep) and biases (one per 0e).
        bias: whether an affine layer has biases.
        scope: "irrep", "separable" or "merged".
        mode: "node": of each node; "graph": means are over all nodes of a graph, too, which then depend on each other.
        normalization: "component" or "norm".
        balance_degrees: whether types that are normalized together count alike in σ²; else all components ("component") or all irreps
            ("norm") do, so that a type counts by how many it has.
        centering: whether μ is subtracted; else it is taken to be zero.

    Raises:
        ValueError: for an unknown scope, mode or normalization, or an input that does not fit.

    Warns:
        UserWarning: if a node has a single 0e to center, which then is its own mean: the output is the bias, whatever the input.

    Example:
        >>> import torch
        >>> norm = LayerNorm("2x0e + 1x1o", scope="merged")
        >>> norm, norm(torch.randn(10, 5)).shape
        (LayerNorm (2x0e+1x1o, eps=1e-05, scope=merged, mode=node), torch.Size([10, 5]))

    Reference: Ba et al. 2016, arXiv:1607.06450; scopes are those of Equiformer and EquiformerV2, arXiv:2306.12059 (with the mean over
    types where those take a sum, in "norm"); mode as in PyTorch Geometric.
    """

    def __init__(
        self,
        irreps: Irreps | str,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        scope: str = "irrep",
        mode: str = "node",
        normalization: str = "component",
        balance_degrees: bool = True,
        centering: bool = True,
    ) -> None:
        check_choice(self, "scope", scope, ("irrep", "separable", "merged"))
        check_choice(self, "normalization", normalization, ("component", "norm"))
        types = TypeBlocks(irreps).types
        together = [
            {"irrep": i, "separable": int(not is_scalar), "merged": 0}[scope]
            for i, (_, _, is_scalar) in enumerate(types)
        ]
        groups = Groups(irreps, [1] * len(types), normalization, centering, together, balance_degrees)
        super().__init__(irreps, groups, eps, elementwise_affine, elementwise_affine and bias, mode)
        self.scope, self.normalization, self.balance_degrees = scope, normalization, balance_degrees
        self.centering = centering and self.layout.num_scalars > 0
        if self.centering and mode == "node" and self.layout.num_scalars == 1:
            warnings.warn(
                f"{type(self).__name__}: expected several 0e to center, got one in '{self._text}': it is its own mean, and comes out "
                "as the bias, whatever it was. Use centering=False, or more 0e.",
                stacklevel=2,
            )

    def extra_repr(self) -> str:
        return f"eps={self.eps}, scope={self.scope}, mode={self.mode}"
