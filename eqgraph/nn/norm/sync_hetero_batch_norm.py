"""Batch normalization of each type of node over the batches of all processes."""

import torch.distributed as dist

from eqgraph.o3 import Irreps

from .hetero_batch_norm import HeteroBatchNorm
from .synchronized import Synchronized


class SyncHeteroBatchNorm(Synchronized, HeteroBatchNorm):
    """HeteroBatchNorm whose statistics are those of the nodes of all processes, so that rare types need not be in every batch.

    y = (x - μ_t) / sqrt(σ_t² + ε) · weight_t + bias_t   with μ_t, σ_t² over the nodes of type t in all processes

    The rules of SyncBatchNorm hold: every process calls the layer equally often; without other processes it is a HeteroBatchNorm.

    Args:
        irreps: irreps of the input.
        num_types: number of types.
        eps: see HeteroBatchNorm, as all that follow.
        momentum: weight of the new batch in the running statistics; None: plain average over all batches that contain the type.
        affine: whether there are weights and biases.
        track_running_stats: whether there are running statistics.
        process_group: the processes that share statistics, by default all.
        include_bias: whether an affine layer has biases.
        normalization: "component" or "norm".
        correction: running variances of 0e are those of the batch times N_t / (N_t - correction).

    Raises:
        ValueError: as HeteroBatchNorm.

    Example:
        >>> import torch
        >>> SyncHeteroBatchNorm("2x0e + 1x1o", 3)(torch.randn(10, 5), torch.randint(3, (10,))).shape
        torch.Size([10, 5])
    """

    def __init__(
        self,
        irreps: Irreps | str,
        num_types: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: "dist.ProcessGroup | None" = None,
        *,
        include_bias: bool = True,
        normalization: str = "component",
        correction: int = 0,
    ) -> None:
        super().__init__(
            irreps,
            num_types,
            eps,
            momentum,
            affine,
            track_running_stats,
            include_bias=include_bias,
            normalization=normalization,
            correction=correction,
        )
        self.process_group = process_group
