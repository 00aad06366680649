"""Messages as large as what they are added to."""

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .norm import Norm


class MessageNorm(Norm):
    """Give the message to a node the norm of the node's features.

    y_i = s · |x_i|_ε · m_i / sqrt(|m_i|² + ε)   with |x|_ε = |x|² / sqrt(|x|² + ε)

    and |x| the norm of a whole row, which is invariant: y turns as m does. Both |x|_ε and the factor of m are smooth at zero, where
    |x| and m / |m| are not; y is zero if x or m is, and differs from s |x| m / |m| by a part of ε / |x|² + ε / |m|².

    Args:
        irreps: irreps of the features, the messages and the output.
        learn_scale: whether s, one at first, is learned.
        eps: ε.

    Raises:
        ValueError: for an input that does not fit.

    Example:
        >>> norm = MessageNorm("2x0e + 1x1o", learn_scale=True)
        >>> x, messages = torch.randn(10, 5), 100 * torch.randn(10, 5)
        >>> y = norm(x, messages)
        >>> torch.allclose(y.norm(dim=1), x.norm(dim=1), atol=0.01)
        True

    Reference: Li et al. 2020, arXiv:2006.07739; as torch_geometric.nn.MessageNorm, but smooth.
    """

    is_local = True

    def __init__(self, irreps: Irreps | str, learn_scale: bool = False, eps: float = 1e-5) -> None:
        super().__init__(irreps)
        self.learn_scale, self.eps = learn_scale, eps
        self.scale = torch.nn.Parameter(torch.ones(1), requires_grad=learn_scale)

    def extra_repr(self) -> str:
        return f"learn_scale={self.learn_scale}, eps={self.eps}"

    def reset_parameters(self) -> None:
        """s to one."""
        torch.nn.init.ones_(self.scale)

    def forward(
        self,
        x: Tensor,
        msg: Tensor,
        batch: Tensor | None = None,
        batch_size: int | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Messages msg, of the shape of x, scaled; the other arguments as of Norm."""
        rows, nodes = self._rows(x, batch, batch_size, mask)
        if msg.shape != x.shape:
            raise ValueError(
                f"{type(self).__name__}: expected messages of the shape of x, {tuple(x.shape)}, for irreps '{self._text}', got "
                f"{tuple(msg.shape)}. Pass the sum of the messages to each node."
            )
        messages, _ = self._rows(msg, batch, batch_size, mask)
        if rows.numel() == 0:
            return self._without_rows(msg)
        with torch.autocast(x.device.type, enabled=False):
            features_square = rows.square().sum(1, keepdim=True)
            messages_square = messages.square().sum(1, keepdim=True)
            norm = features_square * (features_square + self.eps).rsqrt()
            factors = self.scale.to(rows.dtype) * norm * (messages_square + self.eps).rsqrt()
            out = messages * factors
        return nodes.masked(out).to(x.dtype).reshape(x.shape)
