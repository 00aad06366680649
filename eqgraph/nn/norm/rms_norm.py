"""Root mean square normalization that commutes with rotations and inversion."""

from eqgraph.o3 import Irreps

from .layer_norm import LayerNorm


class RMSNorm(LayerNorm):
    """Normalize all irreps of a node by their common mean square, without centering: directions and ratios of the irreps stay.

    y = x / sqrt(σ² + ε) · weight

    It is LayerNorm with scope="merged", centering=False and bias=False; on 0e alone it is torch.nn.RMSNorm.

    Args:
        irreps: irreps of the input.
        eps: added to σ² inside the square root.
        elementwise_affine: whether there are weights, one per irrep.
        mode: see LayerNorm.
        normalization: see LayerNorm.
        balance_degrees: see LayerNorm.

    Example:
        >>> import torch
        >>> norm = RMSNorm("1x0e + 1x1o", elementwise_affine=False)
        >>> norm(torch.tensor([[1.0, 3.0, 0.0, 0.0]]))
        tensor([[0.7071, 2.1213, 0.0000, 0.0000]])

    Reference: Zhang & Sennrich 2019, arXiv:1910.07467; over irreps as in EquiformerV2, arXiv:2306.12059.
    """

    def __init__(
        self,
        irreps: Irreps | str,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        mode: str = "node",
        normalization: str = "component",
        balance_degrees: bool = True,
    ) -> None:
        super().__init__(irreps, eps, elementwise_affine, False, "merged", mode, normalization, balance_degrees, False)
