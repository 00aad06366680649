"""Layer normalization with weights and biases for each type of node."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .layer_norm import LayerNorm
from .nodes import Nodes
from .per_type import PerType
from .standardize_rows import standardize_rows


class HeteroLayerNorm(PerType):
    """Normalize each node by the mean square of its irreps of each kind, and scale by weights of its type.

    y = (x - μ) / sqrt(σ² + ε) · weight_t + bias_t   for nodes of type t

    with μ and σ² as LayerNorm has them for each kind (l, p) on its own: types differ in weights and biases, not in statistics.

    Args:
        irreps: irreps of the input and output.
        num_types: number of types.
        eps: added to σ² inside the square root.
        affine: whether there are weights (one per type and irrep) and biases (one per type and 0e).

    Raises:
        ValueError: if num_types is not positive, or for an input that does not fit.

    Example:
        >>> norm = HeteroLayerNorm("2x0e + 2x1o", num_types=3)
        >>> norm, norm(torch.randn(10, 8), torch.randint(3, (10,))).shape
        (HeteroLayerNorm (2x0e+2x1o, num_types=3, eps=1e-05), torch.Size([10, 8]))

    Reference: Ba et al. 2016, arXiv:1607.06450; of 0e as in torch_geometric.nn.HeteroLayerNorm.
    """

    is_local = True

    def __init__(self, irreps: Irreps | str, num_types: int, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__(irreps)
        if num_types < 1:
            raise ValueError(
                f"HeteroLayerNorm: expected at least one type, got num_types={num_types} for irreps '{self._text}'. "
                "Count the types of nodes of the data."
            )
        self.num_types, self.eps, self.affine = num_types, eps, affine
        self.groups = LayerNorm(irreps).groups
        shapes = {"weight": (num_types, self.layout.num_copies), "bias": (num_types, self.layout.num_scalars)}
        for name, shape in shapes.items():
            self.register_parameter(name, torch.nn.Parameter(torch.empty(shape)) if affine else None)
        self.reset_parameters()

    def extra_repr(self) -> str:
        return f"num_types={self.num_types}, eps={self.eps}"

    def reset_parameters(self) -> None:
        """Weights to one, biases to zero."""
        if self.affine:
            torch.nn.init.ones_(self.weight)
            torch.nn.init.zeros_(self.bias)

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        """Here the graph of a node is its type."""
        if not self.affine:
            return standardize_rows(x, None, None, self.groups, self.eps)
        weight, bias = self.layout.to_columns(self.weight), self.layout.scalars_to_columns(self.bias)
        return standardize_rows(x, weight.to(x.dtype), bias.to(x.dtype), self.groups, self.eps, nodes.graph)
