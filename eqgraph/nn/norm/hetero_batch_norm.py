"""Batch normalization of each type of node on its own."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .batch_norm import BatchNorm
from .columns_of_irreps import ColumnsOfIrreps
from .nodes import Nodes
from .per_type import PerType
from .standardize_groups import standardize_groups


class HeteroBatchNorm(PerType, BatchNorm):
    """Normalize each irrep by its mean square over the nodes of the same type; center only true scalars (0e).

    y = (x - μ_t) / sqrt(σ_t² + ε) · weight_t + bias_t   for nodes of type t

    with μ_t, σ_t² over all nodes of type t in the batch, as BatchNorm has them over all nodes. Types may be those of nodes, edges or
    chemical elements. What the batch does not contain keeps its running statistics. A type with a single node has no variance: its 0e
    come out as the bias, and its running variance learns the zero.

    Args:
        irreps: irreps of the input.
        num_types: number of types.
        eps: added to σ_t² inside the square root.
        momentum: weight of the new batch in the running statistics; None: plain average over all batches that contain the type.
        affine: whether there are weights (one per type and irrep) and biases (one per type and 0e).
        track_running_stats: whether there are running statistics; if not, those of the batch are used in evaluation, too.
        include_bias: whether an affine layer has biases.
        normalization: "component" or "norm".
        correction: running variances of 0e are those of the batch times N_t / (N_t - correction): 0 as in torch_geometric, 1 as in
            torch.

    Raises:
        ValueError: if num_types is not positive, for an unknown normalization, or an input that does not fit.

    Example:
        >>> norm = HeteroBatchNorm("2x0e + 1x1o", num_types=3)
        >>> norm(torch.randn(10, 5), torch.randint(3, (10,))).shape
        torch.Size([10, 5])

    Reference: semantics of torch_geometric.nn.HeteroBatchNorm, which takes no gradients through the statistics and clamps σ² instead of
    adding ε; here gradients are complete.
    """

    def __init__(
        self,
        irreps: Irreps | str,
        num_types: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        include_bias: bool = True,
        normalization: str = "component",
        correction: int = 0,
    ) -> None:
        super().__init__(
            irreps,
            eps,
            momentum,
            affine,
            include_bias=include_bias,
            normalization=normalization,
            track_running_stats=track_running_stats,
            correction=correction,
        )
        if num_types < 1:
            raise ValueError(
                f"{type(self).__name__}: expected at least one type, got num_types={num_types} for irreps '{self._text}'. "
                "Count the types of nodes of the data."
            )
        self.num_types = num_types
        for name, parameter in self.named_parameters():
            setattr(self, name, torch.nn.Parameter(parameter.detach().repeat(num_types, 1)))
        for name, buffer in self.named_buffers(recurse=False):
            setattr(self, name, buffer.repeat(num_types, 1))

    def extra_repr(self) -> str:
        return f"num_types={self.num_types}, {super().extra_repr()}"

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        """Here the graph of a node is its type."""
        if not self.training and self.track_running_stats:
            mean, variance = self.running_statistics(x.dtype)
            return self._mapped(self._centred(x, mean, nodes), variance, nodes)
        if self.synchronizes():
            centred, mean, variance, count = self._batch_statistics(x, nodes)
            out = self._mapped(centred, variance, nodes)
        else:
            columns = ColumnsOfIrreps(self.layout, self.normalization)
            out, mean, variance = standardize_groups(x, *self.columns_of_parameters(), None, columns, nodes, self.eps)
            mean = mean.index_select(1, self.layout.scalar_columns)
            count = nodes.graph_count(x)
        if self.training and self.track_running_stats:
            self.update(mean, self.unbiased(variance, count, self.correction) if self.correction else variance, count)
        return out

    def _batch_statistics(self, x: Tensor, nodes: Nodes) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Over all processes: centred features; of each type: mean of the 0e, variance of each irrep, number of nodes."""
        scalars = x.index_select(1, self.layout.scalar_columns)
        totals = self.sum_over_processes(torch.cat([nodes.graph_total(scalars), nodes.graph_count(x)], 1))
        count = totals[:, -1:]
        mean = totals[:, :-1] / count.clamp(min=1)
        centred = self._centred(x, mean, nodes)
        squares = self.layout.sum_columns(nodes.graph_total(centred.square()), self.normalization)
        return centred, mean, self.sum_over_processes(squares) / count.clamp(min=1), count

    def _mapped(self, centred: Tensor, variance: Tensor, nodes: Nodes) -> Tensor:
        """Centred features divided by the variances (types, num_copies) of their type, and so on."""
        factors = nodes.spread(self.layout.to_columns(self.factors(variance)))
        if self.bias is None or not self.layout.num_scalars:
            return centred * factors
        bias = nodes.spread(self.layout.scalars_to_columns(self.bias).to(centred.dtype))
        return torch.addcmul(bias, centred, factors)

    def _centred(self, x: Tensor, mean: Tensor, nodes: Nodes) -> Tensor:
        """Features minus the mean (types, num_scalars) of their type."""
        return x - nodes.spread(self.layout.scalars_to_columns(mean)) if self.layout.num_scalars else x

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        key = prefix + "num_batches_tracked"
        if self.track_running_stats and key in state_dict and state_dict[key].dim() == 0:
            state_dict[key] = state_dict[key].expand(self.num_types, 1)  # torch_geometric has one number for all types
        super()._load_from_state_dict(state_dict, prefix, *args)
