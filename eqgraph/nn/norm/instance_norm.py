"""Instance normalization: statistics of each graph."""

from torch import Tensor

from eqgraph.o3 import Irreps

from .columns_of_irreps import ColumnsOfIrreps
from .nodes import Nodes
from .options import check_choice
from .standardize_groups import standardize_groups
from .tracked_norm import TrackedNorm


class InstanceNorm(TrackedNorm):
    """Normalize each irrep by its mean square over the nodes of its graph; center only true scalars (0e), unless told otherwise.

    y = (x - μ_g) / sqrt(σ_g² + ε) · weight + bias

    with σ_g² the mean (or maximum) over the nodes of graph g of |x - μ_g|² / (2l + 1) ("component") or |x - μ_g|² ("norm").

    Args:
        irreps: irreps of the input.
        eps: added to σ_g² inside the square root.
        momentum: weight of the new batch in the running statistics; None: plain average over all batches.
        affine: whether there are weights (one per irrep) and biases (one per 0e).
        track_running_stats: whether averages of the statistics over graphs are kept, and used in evaluation; variances of 0e are
            then kept unbiased (times n / (n - 1) of each graph), as in torch.
        reduce: "mean" or "max" over the nodes of a graph.
        normalization: "component" or "norm".
        center_nonscalars: whether the mean over the graph is subtracted from all irreps: it turns with the graph, so that commutes with
            rotations as long as no running statistics are used.

    Raises:
        ValueError: for an unknown reduce or normalization, an input that does not fit, or center_nonscalars with running statistics.

    Example:
        >>> import torch
        >>> norm = InstanceNorm("2x0e + 1x1o")
        >>> x, batch = torch.randn(10, 5), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
        >>> norm, norm(x, batch).shape
        (InstanceNorm (2x0e+1x1o, eps=1e-05), torch.Size([10, 5]))

    Reference: Ulyanov et al. 2016, arXiv:1607.08022; options as in torch.nn.InstanceNorm1d.
    """

    def __init__(
        self,
        irreps: Irreps | str,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        reduce: str = "mean",
        normalization: str = "component",
        center_nonscalars: bool = False,
    ) -> None:
        super().__init__(irreps, eps, momentum, affine, affine, track_running_stats)
        check_choice(self, "reduce", reduce, ("mean", "max"))
        check_choice(self, "normalization", normalization, ("component", "norm"))
        if center_nonscalars and track_running_stats:
            raise ValueError(
                f"InstanceNorm: expected center_nonscalars=False with track_running_stats=True, got both True for '{self._text}': an "
                "average of directions over graphs does not turn with any of them. Choose one."
            )
        self.reduce, self.normalization, self.center_nonscalars = reduce, normalization, center_nonscalars
        self.is_local = track_running_stats  # a fixed affine map in evaluation

    def extra_repr(self) -> str:
        return f"eps={self.eps}, momentum={self.momentum}" if self.track_running_stats else f"eps={self.eps}"

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        layout = self.layout
        if self.track_running_stats and not self.training:
            mean, variance = self.running_statistics(x.dtype)
            return self.affine_map(x - layout.scalars_to_columns(mean), layout.to_columns(self.factors(variance)))
        if self.reduce == "mean":
            columns = ColumnsOfIrreps(layout, self.normalization, self.center_nonscalars)
            out, mean, variance = standardize_groups(x, *self.columns_of_parameters(), None, columns, nodes, self.eps)
            mean = mean.index_select(1, layout.scalar_columns)
        else:
            mean = nodes.graph_average(x if self.center_nonscalars else x.index_select(1, layout.scalar_columns))
            centred = x - nodes.spread(mean if self.center_nonscalars else layout.scalars_to_columns(mean))
            variance = nodes.graph_maximum(layout.power(centred, self.normalization))
            out = self.affine_map(centred, nodes.spread(layout.to_columns(self.factors(variance))))
        if self.track_running_stats:
            counts = nodes.graph_count(x)
            weights = (counts > 0).to(x.dtype)  # empty graphs have no statistics
            number = weights.sum()
            over_graphs = [
                (weights * values).sum(0) / number.clamp(min=1) for values in (mean, self.unbiased(variance, counts))
            ]
            self.update(*over_graphs, number)
        return out
