"""Batch normalization that commutes with rotations and inversion."""

import torch
from jaxtyping import Float
from torch import Tensor

from eqgraph.o3 import Irreps


class BatchNorm(torch.nn.Module):
    """Normalize each irrep by its mean square over the batch; center only true scalars (0e).

    y = (x - μ) / sqrt(σ² + ε) · weight + bias

    with σ² the mean over the batch of |x|² / (2l + 1) ("component") or |x|² ("norm"). The mean μ and the bias exist for 0e only: the
    batch mean of anything else depends on how the samples are oriented, and a fixed bias would single out a direction. Variances are
    biased (divided by N, not N - 1), so `y[:, 0].var()`, which is unbiased, prints N / (N - 1).

    Args:
        irreps: irreps of the input.
        eps: added to σ² inside the square root.
        momentum: weight of the new batch in the running statistics: new = (1 - momentum) old + momentum batch.
        affine: whether there are weights (one per irrep) and biases (one per 0e).
        reduce: "mean" or "max" over the positions of a sample, when x is (batch, positions, dim).
        instance: statistics per sample, over its positions, in training and evaluation; no running statistics.
        include_bias: whether an affine layer has biases.
        normalization: "component" or "norm".

    Raises:
        ValueError: for an unknown reduce or normalization, or an input whose last axis is not irreps.dim.

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
        momentum: float = 0.1,
        affine: bool = True,
        reduce: str = "mean",
        instance: bool = False,
        include_bias: bool = True,
        normalization: str = "component",
    ) -> None:
        super().__init__()
        for name, value, allowed in (
            ("reduce", reduce, ("mean", "max")),
            ("normalization", normalization, ("component", "norm")),
        ):
            if value not in allowed:
                raise ValueError(
                    f"BatchNorm: expected {name} to be one of {allowed}, got {value!r}. Choose one of these."
                )
        self.irreps = Irreps(irreps)
        self.eps, self.momentum, self.affine, self.instance = eps, momentum, affine, instance
        self.reduce, self.include_bias, self.normalization = reduce, include_bias, normalization
        num_scalars = sum(mul for mul, ir in self.irreps if ir.is_scalar())
        num_irreps = self.irreps.num_irreps
        self.register_buffer("running_mean", None if instance else torch.zeros(num_scalars))
        self.register_buffer("running_var", None if instance else torch.ones(num_irreps))
        self.register_parameter("weight", torch.nn.Parameter(torch.ones(num_irreps)) if affine else None)
        biased = affine and include_bias
        self.register_parameter("bias", torch.nn.Parameter(torch.zeros(num_scalars)) if biased else None)
        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._blocks = [(mul, ir.dim, ir.is_scalar()) for mul, ir in self.irreps]
        self._dim, self._text = self.irreps.dim, str(self.irreps)

    def __repr__(self) -> str:
        return f"{type(self).__name__} ({self.irreps}, eps={self.eps}, momentum={self.momentum})"

    def reset_parameters(self) -> None:
        """Weights and running variances to one, biases and running means to zero."""
        with torch.no_grad():
            for tensor, value in ((self.running_mean, 0), (self.running_var, 1), (self.weight, 1), (self.bias, 0)):
                if tensor is not None:
                    tensor.fill_(value)

    def forward(self, x: Float[Tensor, "batch *positions dim"]) -> Float[Tensor, "batch *positions dim"]:
        """Normalize x of shape (batch, ..., irreps.dim); axes in the middle are positions of one sample."""
        if x.dim() < 2 or x.shape[-1] != self._dim:
            raise ValueError(
                f"BatchNorm: expected input of shape (batch, ..., {self._dim}) for irreps '{self._text}', got "
                f"{tuple(x.shape)}. Check the irreps of the layer before."
            )
        if x.numel() == 0:  # no sample: nothing to normalize, and no statistics to learn from
            return x
        use_batch = self.training or self.instance
        samples = x.reshape(x.shape[0], -1, self._dim)
        means, variances, out = [], [], []
        scalar = irrep = 0
        blocks = samples.split([mul * dim for mul, dim, _ in self._blocks], dim=-1)
        for (mul, dim, is_scalar), block in zip(self._blocks, blocks, strict=True):
            block = block.unflatten(-1, (mul, dim))  # (batch, positions, mul, 2l+1)
            if is_scalar:
                if use_batch:
                    mean = self._over_batch(block.squeeze(-1).mean(1))
                    means.append(mean)
                else:
                    mean = self.running_mean[scalar : scalar + mul]
                block = block - mean.view(-1, 1, mul, 1)
            if use_batch:
                squares = block.square()
                power = squares.sum(-1) if self.normalization == "norm" else squares.mean(-1)
                variance = self._over_batch(power.mean(1) if self.reduce == "mean" else power.amax(1))
                variances.append(variance)
            else:
                variance = self.running_var[irrep : irrep + mul]
            scale = (variance + self.eps).rsqrt()
            if self.weight is not None:
                scale = scale * self.weight[irrep : irrep + mul]
            block = block * scale.view(-1, 1, mul, 1)
            if self.bias is not None and is_scalar:
                block = block + self.bias[scalar : scalar + mul].view(mul, 1)
            out.append(block.flatten(-2))
            irrep += mul
            scalar += mul if is_scalar else 0
        if self.training and not self.instance:
            self._update("running_mean", means)
            self._update("running_var", variances)
        return torch.cat(out, dim=-1).reshape(x.shape)

    def _over_batch(self, statistic: Tensor) -> Tensor:
        """(batch, mul) -> (mul,), or unchanged for instance statistics."""
        return statistic if self.instance else statistic.mean(0)

    def _update(self, name: str, batch: list[Tensor]) -> None:
        if batch:
            running = getattr(self, name)
            # A new tensor instead of an in-place change: autograd may still need the old one.
            setattr(self, name, torch.lerp(running, torch.cat(batch).detach().to(running.dtype), self.momentum))
