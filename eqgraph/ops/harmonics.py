"""The solid harmonics as an operator of PyTorch, with kernels for the value, the gradient and the second gradient."""

import torch
from torch import Tensor

from .backend import choose_backend
from .library import composed_gradient, define, devices, operators
from .reference import solid_harmonics as reference

_MAX_DEGREE = 6
"""Beyond it the sum over monomials loses digits that the recursion keeps."""


def solid_harmonics(vec: Tensor, lmax: int, backend: str = "auto") -> Tensor:
    """Real solid harmonics r^l Y_lm(x/r) for l = 0 ... lmax, by the kernels of the device: see ops.reference.solid_harmonics.

    Args:
        vec: (..., 3), in any unit of length.
        lmax: highest degree, at least 0.
        backend: "auto", "reference", "cpu" or "gpu"; degrees above 6 have no kernels.

    Returns:
        (..., (lmax + 1)²).

    Example:
        >>> solid_harmonics(torch.tensor([0.0, 2.0, 0.0]), 1)
        tensor([1.0000, 0.0000, 3.4641, 0.0000])
    """
    if lmax > _MAX_DEGREE or choose_backend(backend, vec.device, vec.dtype).name == "reference":
        return reference(vec, lmax)
    return operators.harmonics(vec.reshape(-1, 3), lmax).view(*vec.shape[:-1], (lmax + 1) ** 2)


def _harmonics(vec, lmax):
    return devices(vec).harmonics(vec.contiguous(), lmax)


def _harmonics_fake(vec, lmax):
    return vec.new_empty(vec.shape[0], (lmax + 1) ** 2)


def _harmonics_gradient(saved, rest, wanted, g):
    return (operators.harmonics_backward(g, *saved, *rest),)


def _backward(g, vec, lmax):
    return devices(vec).harmonics_backward(g.contiguous(), vec.contiguous(), lmax)


def _backward_fake(g, vec, lmax):
    return torch.empty_like(vec)


def _backward_gradient(saved, rest, wanted, a):
    return operators.harmonics_double_backward(a, *saved, *rest)


def _double_backward(a, g, vec, lmax):
    return devices(vec).harmonics_double_backward(a.contiguous(), g.contiguous(), vec.contiguous(), lmax)


def _double_backward_fake(a, g, vec, lmax):
    return torch.empty_like(g), torch.empty_like(vec)


def _composed(a, g, vec, lmax):
    (gvec,) = torch.autograd.grad(reference(vec, lmax), vec, g, create_graph=True)
    return torch.autograd.grad(gvec, (g, vec), a, create_graph=True, allow_unused=True, materialize_grads=True)


define("harmonics", "vec", 1, _harmonics, _harmonics_fake, _harmonics_gradient, "int lmax")
define("harmonics_backward", "g vec", 1, _backward, _backward_fake, _backward_gradient, "int lmax")
define(
    "harmonics_double_backward",
    "a g vec",
    2,
    _double_backward,
    _double_backward_fake,
    composed_gradient(_composed),
    "int lmax",
)
