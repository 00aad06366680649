"""Batch normalization that commutes with rotations and inversion."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .nodes import Nodes
from .options import check_choice
from .standardize import Columns, standardize
from .tracked_norm import TrackedNorm


class BatchNorm(TrackedNorm):
    """Normalize each irrep by its mean square over all nodes of the batch; center only true scalars (0e).

    y = (x - μ) / sqrt(σ² + ε) · weight + bias

    with σ² the mean over the nodes of |x|² / (2l + 1) ("component") or |x|² ("norm"). The mean μ and the bias exist for 0e only: the
    batch mean of anything else depends on how the samples are oriented, and a fixed bias would single out a direction. Variances are
    biased (divided by N, not N - 1), so `y[:, 0].var()`, which is unbiased, prints N / (N - 1).

    Args:
        irreps: irreps of the input.
        eps: added to σ² inside the square root.
        momentum: weight of the new batch in the running statistics: new = (1 - momentum) old + momentum batch; None: running statistics
            are the plain average over all batches so far.
        affine: whether there are weights (one per irrep) and biases (one per 0e).
        reduce: "mean" or "max" over the nodes of a graph; "max" is then averaged over graphs.
        instance: statistics per graph, in training and evaluation; no running statistics.
        include_bias: whether an affine layer has biases.
        normalization: "component" or "norm".
        track_running_stats: whether there are running statistics; if not, those of the batch are used in evaluation, too.
        correction: running variances of 0e are those of the batch times N / (N - correction): 0 as in e3nn, 1 as in torch.
        allow_single_element: whether a batch of a single node, whose variance is zero, is normalized by the running statistics instead
            of being an error.

    Raises:
        ValueError: for an unknown reduce or normalization, an input whose last axis is not irreps.dim, or a single node in training.

    Example:
        >>> norm = BatchNorm("2x0e + 1x1o")
        >>> norm, norm(torch.randn(10, 5)).shape
        (BatchNorm (2x0e+1x1o, eps=1e-05, momentum=0.1), torch.Size([10, 5]))

    Reference: Ioffe & Szegedy 2015, arXiv:1502.03167, restricted to what commutes with O(3); the semantics are those of e3nn.
    """

    def __init__(
        self,
        irreps: Irreps | str,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        reduce: str = "mean",
        instance: bool = False,
        include_bias: bool = True,
        normalization: str = "component",
        *,
        track_running_stats: bool = True,
        correction: int = 0,
        allow_single_element: bool = False,
    ) -> None:
        super().__init__(irreps, eps, momentum, affine, affine and include_bias, track_running_stats and not instance)
        check_choice(self, "reduce", reduce, ("mean", "max"))
        check_choice(self, "normalization", normalization, ("component", "norm"))
        self.reduce, self.instance, self.include_bias, self.normalization = (
            reduce,
            instance,
            include_bias,
            normalization,
        )
        self.correction, self.allow_single_element = correction, allow_single_element
        self.couples_graphs = not instance
        self.is_local = self.track_running_stats  # a fixed affine map in evaluation

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        if nodes.graph is None and (self.instance or self.reduce == "max"):
            # without a batch vector each row is a sample of its own, as in e3nn
            nodes = nodes._replace(graph=torch.arange(nodes.num, device=x.device), num_graphs=nodes.num)
        if self.instance:
            mean = nodes.graph_average(x.index_select(1, self.layout.scalar_columns))
            centred = x - nodes.spread(self.layout.scalars_to_columns(mean))
            factors = self.layout.to_columns(self.factors(self._graph_variance(centred, nodes)))
            return self.affine_map(centred, nodes.spread(factors))
        learns = self.training and not self._is_single(nodes)
        if learns or not self.track_running_stats:
            out = None
            if nodes.mask is None and self.reduce == "mean" and not self.synchronizes():
                out, mean, variance = self._standardized(x)
                count = nodes.count(x)
            else:
                centred, mean, variance, count = self._batch_statistics(x, nodes)
            if learns and self.track_running_stats:
                self.update(
                    mean, self.unbiased(variance, count, self.correction) if self.correction else variance, count
                )
            if out is not None:
                return out
        else:
            mean, variance = self.running_statistics(x.dtype)
            centred = x - self.layout.scalars_to_columns(mean)
        return self.affine_map(centred, self.layout.to_columns(self.factors(variance)))

    def _standardized(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The usual case in one function: the output, mean of the 0e, variance of each irrep."""
        layout, dtype = self.layout, x.dtype
        weight = x.new_ones(layout.num_copies) if self.weight is None else self.weight.to(dtype)
        bias = x.new_zeros(layout.dim) if self.bias is None else layout.scalars_to_columns(self.bias.to(dtype))
        columns = Columns(
            layout.is_scalar.to(dtype), layout.copy_of_column, layout.shares(self.normalization).to(dtype)
        )
        y, mean, variance = standardize(x, weight, bias, columns, self.eps)
        return y, mean.index_select(0, layout.scalar_columns), variance

    def synchronizes(self) -> bool:
        """Whether statistics are those of several processes: see SyncBatchNorm."""
        return False

    def sum_over_processes(self, sums: Tensor) -> Tensor:
        """Sums over nodes of this process -> sums over the nodes of all that normalize together; here there are no others."""
        return sums

    def _batch_statistics(self, x: Tensor, nodes: Nodes) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Over all nodes of the batch: centred features, mean of the 0e, variance of each irrep, number of nodes."""
        scalars = x.index_select(1, self.layout.scalar_columns)
        totals = self.sum_over_processes(torch.cat([nodes.total(scalars), nodes.count(x).unsqueeze(0)]))
        count = totals[-1]
        mean = totals[:-1] / count.clamp(min=1)
        centred = x - self.layout.scalars_to_columns(mean) if self.layout.num_scalars else x
        if self.reduce == "mean":
            squares = self.layout.sum_columns(nodes.total(centred.square()), self.normalization)
            return centred, mean, self.sum_over_processes(squares) / count.clamp(min=1), count
        has_nodes = (nodes.graph_count(x) > 0).to(x.dtype)
        largest = (self._graph_variance(centred, nodes) * has_nodes).sum(0)
        totals = self.sum_over_processes(torch.cat([largest, has_nodes.sum(0)]))
        return centred, mean, totals[:-1] / totals[-1].clamp(min=1), count

    def _graph_variance(self, centred: Tensor, nodes: Nodes) -> Tensor:
        """(graphs, num_copies) of features that were centred."""
        if self.reduce == "mean":
            return self.layout.sum_columns(nodes.graph_average(centred.square()), self.normalization)
        return nodes.graph_maximum(self.layout.power(centred, self.normalization))

    def _is_single(self, nodes: Nodes) -> bool:
        """Whether there is nothing to take a variance of."""
        if nodes.num != 1 or not self.layout.num_scalars:
            return False
        if not self.allow_single_element:
            raise ValueError(
                f"{type(self).__name__}: expected more than 1 node in training, got 1: scalars of '{self._text}' have no variance. "
                "Take larger batches, or allow_single_element=True to use the running statistics."
            )
        return True
