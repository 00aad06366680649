"""EvoNorm-B0, a normalization and nonlinearity in one, that commutes with rotations and inversion."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .columns_of_irreps import ColumnsOfIrreps
from .evo_factors import evo_factors
from .group_variance import group_variance
from .nodes import Nodes
from .scale_irreps import lengths
from .tracked_norm import TrackedNorm


class EvoNormB0(TrackedNorm):
    """Divide each irrep by its standard deviation over the batch, or by that over its graph and its own size if that is more.

    y = x / max(sqrt(σ² + ε), v n + sqrt(σ_g² + ε)) · weight + bias,  n = x for 0e, n = sqrt(|x|² / (2l + 1) + ε) for others

    with σ² over all nodes of the batch and σ_g² over those of a graph: the variance of 0e, the mean of |x|² / (2l + 1) of others. In
    evaluation σ² is the running average. The maximum has a kink: not for potentials of which forces are to be smooth.

    Args:
        irreps: irreps of the input.
        eps: ε.
        momentum: weight of the new batch in the running variance; None: plain average over all batches. Variances of 0e are kept
            unbiased, times N / (N - 1); a single node teaches nothing.
        affine: whether there are weights (one per irrep) and biases (one per 0e).
        apply_act: whether it does anything but the weights and biases, which stay if not: the last layer of a block does without.

    Raises:
        ValueError: for an input that does not fit.

    Example:
        >>> norm = EvoNormB0("2x0e + 1x1o")
        >>> norm, norm(torch.randn(10, 5)).shape
        (EvoNormB0 (2x0e+1x1o, eps=0.001, momentum=0.1), torch.Size([10, 5]))

    Reference: Liu et al. 2020, arXiv:2004.02967; options, and the names of parameters, are those of timm's EvoNorm2dB0.
    """

    smooth = False

    def __init__(
        self,
        irreps: Irreps | str,
        eps: float = 1e-3,
        momentum: float | None = 0.1,
        affine: bool = True,
        apply_act: bool = True,
    ) -> None:
        super().__init__(irreps, eps, momentum, affine, affine, track_running_stats=apply_act)
        self.apply_act = self.couples_graphs = apply_act
        self.is_local = self.smooth = not apply_act
        self.register_parameter("v", torch.nn.Parameter(torch.ones(self.layout.num_copies)) if apply_act else None)
        if apply_act:
            self.register_buffer("running_mean", torch.zeros(0), persistent=False)  # nothing is centred

    def reset_parameters(self) -> None:
        """Weights, v and running variances to one; biases and the number of batches to zero."""
        super().reset_parameters()
        if self.v is not None:
            torch.nn.init.ones_(self.v)

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        layout = self.layout
        if self.v is None:
            ones = x.new_ones(layout.num_copies) if self.weight is None else self.weight
            return self.affine_map(x, layout.to_columns(ones.to(x.dtype)))
        mean, variance = group_variance(x, ColumnsOfIrreps(layout, "component"), nodes)
        if self.training:
            mean = mean.index_select(1, layout.scalar_columns)
            over_batch, count = self._batch_variance(mean, variance, nodes.graph_count(x))
            has_variance = torch.where(count > 1, count, 0)
            self.update(mean.new_zeros(0), self.unbiased(over_batch.detach(), count), has_variance)
        else:
            _, over_batch = self.running_statistics(x.dtype)
        weight = x.new_ones(layout.num_copies) if self.weight is None else self.weight.to(x.dtype)
        over_batch, over_graph = (over_batch + self.eps).sqrt(), (variance + self.eps).sqrt()
        parameters = self.v.to(x.dtype), over_graph, over_batch, weight
        bias = self.bias_columns()
        return evo_factors(x, layout, "B0", self._factors, *parameters, bias=bias, graph=nodes.graph, eps=self.eps)

    def _factors(
        self, sizes: Tensor, v: Tensor, over_graph: Tensor, over_batch: Tensor, weight: Tensor, graph: Tensor
    ) -> Tensor:
        sizes = lengths(sizes, self.layout, self.eps)
        divisor = torch.maximum(over_batch, torch.addcmul(over_graph.index_select(0, graph), v, sizes))
        return weight / divisor

    def _batch_variance(self, mean: Tensor, variance: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Variance over all nodes from the statistics of their graphs, and the number of nodes: within graphs plus between them."""
        count = counts.sum()
        shares = counts / count.clamp(min=1)  # (graphs, 1)
        between = (mean - (shares * mean).sum(0)).square()
        total = variance.index_add(1, self.layout.scalar_copies, between)
        return (shares * total).sum(0), count
