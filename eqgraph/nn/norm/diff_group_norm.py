"""Batch normalization of soft clusters of nodes."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps
from eqgraph.ops.library import devices

from .batch_norm import BatchNorm
from .by_kernels import by_kernels
from .nodes import Nodes
from .norm import Norm

_MOST_CLUSTERS = 16
"""Of what kernels are written: they list the clusters."""


class DiffGroupNorm(Norm):
    """Add to the features their batch normalization within each of a few learned clusters, against oversmoothing.

    y_i = x_i + λ Σ_k BatchNorm_k(s_ik x_i)   with s_i = softmax(W x_i^{0e}) over the clusters k

    Only 0e say to which clusters a node belongs: anything else would change with the orientation. BatchNorm centers 0e and has
    statistics, weights and biases of its own for each cluster.

    Args:
        irreps: irreps of the input and output.
        groups: number of clusters.
        lamda: λ.
        eps: of BatchNorm.
        momentum: of BatchNorm.
        affine: of BatchNorm.
        track_running_stats: of BatchNorm.

    Raises:
        ValueError: for irreps without 0e, less than one cluster, a single node in training, or an input that does not fit.

    Example:
        >>> norm = DiffGroupNorm("2x0e + 1x1o", groups=3)
        >>> norm, norm(torch.randn(10, 5)).shape
        (DiffGroupNorm (2x0e+1x1o, groups=3, lamda=0.01), torch.Size([10, 5]))

    Reference: Zhou et al. 2020, arXiv:2006.06972; as torch_geometric.nn.DiffGroupNorm, also in the names of parameters.
    """

    couples_graphs = True

    def __init__(
        self,
        irreps: Irreps | str,
        groups: int,
        lamda: float = 0.01,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__(irreps)
        if groups < 1 or not self.layout.num_scalars:
            raise ValueError(
                f"DiffGroupNorm: expected at least one group, and a 0e to decide on the groups of a node, got {groups} groups and "
                f"irreps '{self._text}'. Add 0e to the irreps."
            )
        self.groups, self.lamda, self.track_running_stats = groups, lamda, track_running_stats
        self.is_local = (
            track_running_stats  # in evaluation a fixed map of a node's 0e, and by these of its other irreps
        )
        self.lin = torch.nn.Linear(self.layout.num_scalars, groups, bias=False)
        clusters = Irreps([entry for _ in range(groups) for entry in self.irreps])
        self.norm = BatchNorm(clusters, eps, momentum, affine, track_running_stats=track_running_stats, correction=1)

    def extra_repr(self) -> str:
        return f"groups={self.groups}, lamda={self.lamda}"

    def reset_parameters(self) -> None:
        """As at first."""
        self.lin.reset_parameters()
        self.norm.reset_parameters()

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        # Σ_k BatchNorm_k(s_k x) = x Σ_k s_k f_k + Σ_k (bias_k - μ_k f_k), so that s_k x of what is not centered is never written down
        layout, norm = self.layout, self.norm
        scalars = x.index_select(1, layout.scalar_columns)
        share = torch.softmax(scalars @ self.lin.weight.to(x.dtype).T, 1)  # (nodes, groups)
        if self.training or not self.track_running_stats:
            mean, variance = self._batch_statistics(x, scalars, share, nodes)
        else:
            mean, variance = norm.running_statistics(x.dtype)
        factors = norm.factors(variance).view(self.groups, -1)  # (groups, num_copies)
        shift = -mean.view(self.groups, -1) * factors.index_select(1, layout.scalar_copies)
        if norm.bias is not None:
            shift = shift + norm.bias.view(self.groups, -1)
        columns, shift = layout.to_columns(factors).to(x.dtype), self.lamda * shift.sum(0).to(x.dtype)
        columns, shift = self.lamda * columns, layout.scalars_to_columns(shift)
        if self.groups > _MOST_CLUSTERS:
            return _mixed(x, share, columns, shift)
        return by_kernels(
            _mixed,
            lambda x, *others: devices(x).cluster_mix(x, *others),
            lambda g, x, share, columns, _: devices(x).cluster_mix_backward(g, x, share, columns),
            x,
            share,
            columns,
            shift,
        )

    def _batch_statistics(self, x: Tensor, scalars: Tensor, share: Tensor, nodes: Nodes) -> tuple[Tensor, Tensor]:
        """Means (groups * num_scalars,) and variances (groups * num_copies,) of s_k x, from which the layer learns in training."""
        layout, norm = self.layout, self.norm
        if self.training:
            norm._is_single(nodes)  # which is an error
        totals = torch.cat([(share.T @ scalars).flatten(), nodes.count(x).unsqueeze(0)])
        totals = norm.sum_over_processes(totals)
        count = totals[-1]
        mean = totals[:-1] / count.clamp(min=1)
        squares = self._squares(x, share, mean.view(self.groups, -1), nodes)
        squares = norm.sum_over_processes(squares) / count.clamp(min=1)
        variance = layout.sum_columns(squares, "component").flatten()
        if self.training and self.track_running_stats:
            norm.update(mean, norm.unbiased(variance, count), count)
        return mean, variance

    def _squares(self, x: Tensor, share: Tensor, mean: Tensor, nodes: Nodes) -> Tensor:
        """(groups, dim): sums over nodes of (s_k x - μ_k)², with means (groups, num_scalars) of 0e, zero for others."""
        layout = self.layout

        def formula(x: Tensor, share: Tensor, mean: Tensor) -> Tensor:
            scalars = x.index_select(1, layout.scalar_columns)
            centred = torch.addcmul(-mean, share.unsqueeze(2), scalars.unsqueeze(1))
            squares = nodes.total(centred.flatten(1).square()).view(self.groups, -1)
            return (share.square().T @ x.square()).index_copy(1, layout.scalar_columns, squares)

        def value(x: Tensor, share: Tensor, mean: Tensor) -> Tensor:
            return devices(x).cluster_squares(x, share, layout.scalars_to_columns(mean))

        def gradient(g: Tensor, x: Tensor, share: Tensor, mean: Tensor) -> tuple[Tensor, ...]:
            columns = layout.scalars_to_columns(mean)
            gx, gshare, gmean = devices(x).cluster_squares_backward(g, x, share, columns)
            return gx, gshare, gmean.index_select(1, layout.scalar_columns)

        if nodes.mask is not None or self.groups > _MOST_CLUSTERS:
            return formula(x, share, mean)
        return by_kernels(formula, value, gradient, x, share, mean)


def _mixed(x: Tensor, share: Tensor, columns: Tensor, shift: Tensor) -> Tensor:
    return torch.addcmul(shift, x, torch.addmm(x.new_ones(1), share, columns))
