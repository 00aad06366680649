"""A plain multi-layer perceptron whose activations keep unit variance at initialization."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from eqgraph.math import normalize2mom


class FullyConnectedNet(torch.nn.Sequential):
    """Layers φ(x W / sqrt(h_in)) without biases, W ~ N(0, 1): variance is kept from layer to layer.

    Args:
        hs: sizes, input first, output last.
        act: activation between layers, scaled to unit second moment; None for a linear network.
        variance_in: variance of the input.
        variance_out: variance of the output.
        out_act: whether the last layer has the activation too.

    Raises:
        ValueError: if hs has fewer than two sizes or a negative one.

    Example:
        >>> net = FullyConnectedNet([8, 64, 3], torch.nn.functional.silu)
        >>> net, net(torch.randn(5, 8)).shape
        (FullyConnectedNet[8, 64, 3], torch.Size([5, 3]))
    """

    def __init__(
        self,
        hs: Sequence[int],
        act: Callable[[Tensor], Tensor] | None = None,
        variance_in: float = 1,
        variance_out: float = 1,
        out_act: bool = False,
    ) -> None:
        super().__init__()
        self.hs = list(hs)
        if len(self.hs) < 2 or min(self.hs) < 0:
            raise ValueError(
                f"FullyConnectedNet: expected at least two sizes, none negative, got hs={self.hs}. Give the input size first and the "
                "output size last."
            )
        function = normalize2mom(act) if act is not None else None
        for i, (h_in, h_out) in enumerate(zip(self.hs[:-1], self.hs[1:], strict=True)):
            last = i == len(self.hs) - 2
            layer = _Layer(
                h_in,
                h_out,
                function if not last or out_act else None,
                variance_in if i == 0 else 1,
                variance_out if last else 1,
            )
            setattr(self, f"layer{i}", layer)
        self.register_buffer("_scales", torch.empty(0), persistent=False)
        self._fill_scales()

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.hs}"

    def reset_parameters(self) -> None:
        """Draw all weights anew from N(0, 1)."""
        for layer in self:
            layer.reset_parameters()

    def matrices(self, factor: Tensor | float = 1.0) -> Tensor:
        """The matrices of all layers in one vector, each times its constants and those of the activation before it, the last times a
        factor.

        A layer is then φ(x M) with the bare activation: what ops.mlp takes, without the activation after the last layer.
        """
        *weights, last = (layer.weight.flatten() for layer in self)
        return torch.cat([*weights, last * factor]) * self._scales

    def _fill_scales(self) -> None:
        scales = [
            layer.weight.new_full((layer.weight.numel(),), (before.scale_out if before else 1.0) * layer.scale_in)
            for before, layer in zip((None, *self), self, strict=False)
        ]
        self._scales = torch.cat(scales)

    def _apply(self, fn, recurse: bool = True) -> "FullyConnectedNet":
        super()._apply(fn, recurse)
        self._fill_scales()  # with all the digits of the new type
        return self


class _Layer(torch.nn.Module):
    def __init__(
        self,
        h_in: int,
        h_out: int,
        act: Callable[[Tensor], Tensor] | None,
        variance_in: float,
        variance_out: float,
    ) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(h_in, h_out))
        self.act = act
        # With an activation the variance after the matrix product is 1, as the activation expects; variance_out comes after it.
        gain_in = 1 if act is not None else variance_out
        self.scale_in = (gain_in / (max(h_in, 1) * variance_in)) ** 0.5
        self._gain_out = variance_out**0.5
        self.scale_out = self._gain_out * getattr(act, "cst", 1.0)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        torch.nn.init.normal_(self.weight)

    def forward(self, x: Float[Tensor, "*batch h_in"]) -> Float[Tensor, "*batch h_out"]:
        x = x @ (self.weight * self.scale_in)
        if self.act is None:
            return x
        x = self.act(x)
        return x if self._gain_out == 1 else x * self._gain_out
