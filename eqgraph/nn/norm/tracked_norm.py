"""Normalizations that remember statistics of their training."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .affine_norm import AffineNorm


class TrackedNorm(AffineNorm):
    """An AffineNorm with running averages of the means of 0e and of the variances of all irreps.

    Args:
        irreps: irreps of the input and output.
        eps: see AffineNorm.
        momentum: weight of the new batch: new = (1 - momentum) old + momentum batch; None: the plain average over all batches so far.
        affine: see AffineNorm.
        bias: see AffineNorm.
        track_running_stats: whether there are running statistics.
    """

    def __init__(
        self,
        irreps: Irreps | str,
        eps: float,
        momentum: float | None,
        affine: bool,
        bias: bool,
        track_running_stats: bool,
    ) -> None:
        super().__init__(irreps, eps, affine, bias)
        self.momentum, self.track_running_stats = momentum, track_running_stats
        for name, values in (
            ("running_mean", torch.zeros(self.layout.num_scalars)),
            ("running_var", torch.ones(self.layout.num_copies)),
            ("num_batches_tracked", torch.tensor(0)),
        ):
            self.register_buffer(name, values if track_running_stats else None)

    def extra_repr(self) -> str:
        return f"eps={self.eps}, momentum={self.momentum}"

    def reset_parameters(self) -> None:
        """Weights and running variances to one; biases, running means and the number of batches to zero."""
        super().reset_parameters()
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def running_statistics(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Mean and variance for evaluation: copies, since others (DDP) may write to the buffers before a gradient is taken."""
        return self.running_mean.to(dtype, copy=True), self.running_var.to(dtype, copy=True)

    @torch.no_grad()
    def update(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Learn from the statistics of a batch of `count` samples; nothing if there are none."""
        dtype, has_samples = self.running_var.dtype, count > 0
        self.num_batches_tracked.add_(has_samples)
        momentum = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked.clamp(min=1).to(dtype)
        weight = momentum * has_samples.to(dtype)
        self.running_mean.lerp_(mean.to(dtype), weight)
        self.running_var.lerp_(variance.to(dtype), weight)

    def unbiased(self, variance: Tensor, count: Tensor, correction: int = 1) -> Tensor:
        """Variances (..., num_copies), those of 0e times count / (count - correction): the others are about zero, not about a mean."""
        columns = self.layout.scalar_copies
        corrected = variance.index_select(-1, columns) * (count / (count - correction).clamp(min=1))
        return variance.index_copy(-1, columns, corrected)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        key = prefix + "num_batches_tracked"
        if self.track_running_stats and key not in state_dict and prefix + "running_var" in state_dict:
            state_dict[key] = torch.zeros_like(self.num_batches_tracked)  # e3nn does not count
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _apply(self, fn, recurse: bool = True) -> "TrackedNorm":
        kept = {name: getattr(self, name) for name in ("running_mean", "running_var")}
        super()._apply(fn, recurse)
        for name, before in kept.items():
            after = getattr(self, name)
            if after is not None and after.dtype in (torch.float16, torch.bfloat16):
                setattr(
                    self, name, before.to(after.device)
                )  # half precision is for features: squares of 1e4 are beyond it
        return self
