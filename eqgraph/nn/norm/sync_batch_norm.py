"""Batch normalization over the batches of all processes."""

import torch.distributed as dist

from eqgraph.o3 import Irreps

from .batch_norm import BatchNorm
from .nodes import Nodes
from .synchronized import Synchronized


class SyncBatchNorm(Synchronized, BatchNorm):
    """BatchNorm whose statistics are those of the nodes of all processes: the same as one process with all of them would find.

    y = (x - μ) / sqrt(σ² + ε) · weight + bias   with μ, σ² over the nodes of all processes

    Processes may have different numbers of nodes, also none. Running statistics are the same in all of them. In evaluation, without
    an initialized process group, or with a group of one process, it is a BatchNorm. It runs on CPUs (gloo) and GPUs (nccl), and
    second derivatives are exact, as training on forces needs them.

    Every process must call the layer equally often, in the same order, forward and backward. DistributedDataParallel averages the
    gradients of parameters over processes: multiply losses that are sums by the number of processes. A single node in one process is
    no error, since other processes have more.

    Args:
        irreps: irreps of the input.
        eps: see BatchNorm, as all that follow.
        momentum: weight of the new batch in the running statistics; None: plain average over all batches.
        affine: whether there are weights and biases.
        reduce: "mean" or "max" over the nodes of a graph.
        instance: statistics per graph; nothing is left to synchronize.
        include_bias: whether an affine layer has biases.
        normalization: "component" or "norm".
        process_group: the processes that share statistics, by default all.
        track_running_stats: whether there are running statistics.
        correction: running variances of 0e are those of the batch times N / (N - correction), N nodes in all processes.
        allow_single_element: whether a batch of a single node, in a single process, is normalized by the running statistics.

    Raises:
        ValueError: as BatchNorm.

    Example:
        >>> import torch
        >>> SyncBatchNorm("2x0e + 1x1o")(torch.randn(10, 5)).shape
        torch.Size([10, 5])

    Reference: Ioffe & Szegedy 2015, arXiv:1502.03167; semantics of torch.nn.SyncBatchNorm, which needs GPUs.
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
        process_group: "dist.ProcessGroup | None" = None,
        *,
        track_running_stats: bool = True,
        correction: int = 0,
        allow_single_element: bool = False,
    ) -> None:
        super().__init__(
            irreps,
            eps,
            momentum,
            affine,
            reduce,
            instance,
            include_bias,
            normalization,
            track_running_stats=track_running_stats,
            correction=correction,
            allow_single_element=allow_single_element,
        )
        self.process_group = process_group

    def _is_single(self, nodes: Nodes) -> bool:
        return not self.synchronizes() and super()._is_single(nodes)
