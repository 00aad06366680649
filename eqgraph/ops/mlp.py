"""A multi-layer perceptron with silu as an operator of PyTorch, for processors: value, gradient, second gradient in one kernel each."""

import torch
from torch import Tensor

from .backend import choose_backend
from .library import composed_gradient, define, devices, operators
from .reference import mlp as reference


def mlp(h: Tensor, matrices: Tensor, widths: tuple[int, ...], activated: bool = False, backend: str = "auto") -> Tensor:
    """Layers h_i = silu(h_{i-1} M_i) without biases, row by row; hidden values exist for a few rows at a time only.

    On a GPU plain PyTorch computes it: the usual matrix products fill a GPU.

    Args:
        h: (rows, widths[0]).
        matrices: (numbers,) M_1, M_2, ... of shapes (widths[i - 1], widths[i]), one after another.
        widths: of the input, of each hidden layer, of the output; one width alone means no layer.
        activated: whether silu comes after the last layer, too.
        backend: "auto", "reference", "cpu" or "gpu".

    Returns:
        (rows, widths[-1]).

    Example:
        >>> mlp(torch.ones(1, 1), torch.tensor([2.0, 10.0]), (1, 1, 1))  # 10 silu(2)
        tensor([[17.6159]])
    """
    has_activation = len(widths) > (1 if activated else 2)
    if has_activation and choose_backend(backend, h.device, h.dtype).name == "cpu":
        return operators.mlp(h, matrices, list(widths), activated)
    return reference(h, matrices, widths, activated)


def _mlp(h, matrices, widths, activated):
    return devices(h).mlp(h.contiguous(), matrices.contiguous(), tuple(widths), activated)


def _mlp_fake(h, matrices, widths, activated):
    return h.new_empty(h.shape[0], widths[-1])


def _mlp_gradient(saved, rest, wanted, g):
    gh, gmatrices = operators.mlp_backward(g, *saved, *rest, wanted[1])
    return gh, gmatrices if wanted[1] else None


def _backward(g, h, matrices, widths, activated, learns):
    return devices(h).mlp_backward(
        g.contiguous(), h.contiguous(), matrices.contiguous(), tuple(widths), activated, learns
    )


def _backward_fake(g, h, matrices, widths, activated, learns):
    return torch.empty_like(h), torch.empty_like(matrices)


def _backward_gradient(saved, rest, wanted, a, b):
    if b is None:
        return operators.mlp_double_backward(a, *saved, *rest[:-1])
    return _composed_backward_gradient(saved, rest, wanted, a, b)


def _double_backward(a, g, h, matrices, widths, activated):
    tensors = [tensor.contiguous() for tensor in (a, g, h, matrices)]
    return devices(h).mlp_double_backward(*tensors, tuple(widths), activated)


def _double_backward_fake(a, g, h, matrices, widths, activated):
    return torch.empty_like(g), torch.empty_like(h), torch.empty_like(matrices)


def _composed_backward(g, h, matrices, widths, activated, *_):
    out = reference(h, matrices, widths, activated)
    return torch.autograd.grad(out, (h, matrices), g, create_graph=True)


def _composed_double_backward(a, g, h, matrices, *rest):
    gh, _ = _composed_backward(g, h, matrices, *rest)
    return torch.autograd.grad(gh, (g, h, matrices), a, create_graph=True, materialize_grads=True)


_composed_backward_gradient = composed_gradient(_composed_backward)
_OTHERS = "int[] widths, bool activated"
define("mlp", "h matrices", 1, _mlp, _mlp_fake, _mlp_gradient, _OTHERS)
define("mlp_backward", "g h matrices", 2, _backward, _backward_fake, _backward_gradient, f"{_OTHERS}, bool learns")
define(
    "mlp_double_backward",
    "a g h matrices",
    3,
    _double_backward,
    _double_backward_fake,
    composed_gradient(_composed_double_backward),
    _OTHERS,
)
