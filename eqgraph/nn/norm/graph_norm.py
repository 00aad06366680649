"""Graph normalization: statistics of each graph, with as much of the mean as is useful."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .affine_norm import AffineNorm
from .columns_of_irreps import ColumnsOfIrreps
from .nodes import Nodes
from .options import check_choice
from .standardize_groups import standardize_groups


class GraphNorm(AffineNorm):
    """Take a learned part of the mean over the graph from 0e, then divide each irrep by its root mean square over the graph.

    y = (x - α μ_g) / sqrt(σ_g² + ε) · weight + bias

    with σ_g² the mean over the nodes of graph g of |x - α μ_g|² / (2l + 1) ("component") or |x - α μ_g|² ("norm"). With α = 1 it is
    InstanceNorm; with α = 0 the mean, which tells graphs apart, is kept.

    Args:
        irreps: irreps of the input.
        eps: added to σ_g² inside the square root.
        normalization: "component" or "norm".
        center_nonscalars: whether all irreps have an α, not only 0e: the mean over a graph turns with it.

    Attributes:
        mean_scale: α, (num_scalars,); or (num_irreps,) with center_nonscalars. One at first for 0e, zero for others.

    Raises:
        ValueError: for an unknown normalization, or an input that does not fit.

    Example:
        >>> norm = GraphNorm("2x0e + 1x1o")
        >>> x, batch = torch.randn(10, 5), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
        >>> norm, norm(x, batch).shape
        (GraphNorm (2x0e+1x1o, eps=1e-05), torch.Size([10, 5]))

    Reference: Cai et al. 2020, arXiv:2009.03294; semantics of torch_geometric.nn.GraphNorm.
    """

    def __init__(
        self,
        irreps: Irreps | str,
        eps: float = 1e-5,
        normalization: str = "component",
        center_nonscalars: bool = False,
    ) -> None:
        super().__init__(irreps, eps, affine=True, bias=True)
        check_choice(self, "normalization", normalization, ("component", "norm"))
        self.normalization, self.center_nonscalars = normalization, center_nonscalars
        layout = self.layout
        self.mean_scale = torch.nn.Parameter(
            torch.empty(layout.num_copies if center_nonscalars else layout.num_scalars)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights and the α of 0e to one; biases and other α to zero."""
        super().reset_parameters()
        with torch.no_grad():
            self.mean_scale.fill_(1)
            if self.center_nonscalars:
                self.mean_scale.zero_()[self.layout.scalar_copies] = 1

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        to_columns = self.layout.to_columns if self.center_nonscalars else self.layout.scalars_to_columns
        columns = ColumnsOfIrreps(self.layout, self.normalization, self.center_nonscalars)
        parameters = *self.columns_of_parameters(), to_columns(self.mean_scale)
        return standardize_groups(x, *parameters, columns, nodes, self.eps)[0]
