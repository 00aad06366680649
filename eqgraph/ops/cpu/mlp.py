"""The multi-layer perceptron on the CPU: value, gradient and second gradient by compiled kernels."""

from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from .jit import compile_kernel
from .jobs import run
from .memory import empty
from .mlp_kernels import BLOCK, POINTERS, MlpPlan, source

_MIN_CHUNK, _MAX_CHUNKS = 3 * BLOCK, 16


def mlp(h: Tensor, matrices: Tensor, widths: tuple[int, ...], activated: bool) -> Tensor:
    """The value: see ops.mlp."""
    out = empty((len(h), widths[-1]), h)
    _call(MlpPlan("forward", widths, activated, False, _dtype(h)), [out, h, matrices])
    return out


def mlp_backward(
    g: Tensor, h: Tensor, matrices: Tensor, widths: tuple[int, ...], activated: bool, learns: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of Σ g · mlp(h, matrices) with respect to h and, if it learns, matrices (else zeros)."""
    parts, gh = _parts(h, matrices), empty(h.shape, h)
    tensors = [parts, gh, g, h, matrices]
    _call(MlpPlan("backward", widths, activated, learns, _dtype(h)), tensors)
    return gh, _total(parts) if learns else torch.zeros_like(matrices)


def mlp_double_backward(
    a: Tensor, g: Tensor, h: Tensor, matrices: Tensor, widths: tuple[int, ...], activated: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of Σ a · gh with respect to g, h and matrices, gh being the first result of mlp_backward."""
    parts, dg, dh = _parts(h, matrices), empty(g.shape, g), empty(h.shape, h)
    tensors = [parts, dg, dh, a, g, h, matrices]
    _call(MlpPlan("double_backward", widths, activated, True, _dtype(h)), tensors)
    return dg, dh, _total(parts)


def _call(plan: MlpPlan, tensors: list[Tensor]) -> None:
    """Run a kernel on ranges of rows; all but the forward kernel write their own part of the first tensor."""
    h = tensors[POINTERS[plan.kind].index("h")]
    chunks = _num_chunks(h)
    arguments = np.empty((chunks, len(tensors) + 2), np.int64)
    arguments[:, : len(tensors)] = [tensor.data_ptr() for tensor in tensors]
    if plan.kind != "forward":
        arguments[:, 0] += np.arange(chunks) * tensors[0].stride(0) * tensors[0].element_size()
    bounds = np.arange(chunks + 1) * len(h) // chunks
    arguments[:, -2], arguments[:, -1] = bounds[:-1], bounds[1:]
    run(_kernel(plan), plan.scratch_bytes, arguments)


def _num_chunks(h: Tensor) -> int:
    """Depends on nothing but the number of rows, so that every bit is the same for any number of threads."""
    return min(max(len(h) // _MIN_CHUNK, 1), _MAX_CHUNKS)


def _parts(h: Tensor, matrices: Tensor) -> Tensor:
    chunks = _num_chunks(h)
    return empty((chunks, matrices.numel()), h)


def _total(parts: Tensor) -> Tensor:
    return parts[0] if len(parts) == 1 else parts.sum(0)


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


@cache
def _kernel(plan: MlpPlan) -> int:
    key = " ".join(map(str, (plan.widths, plan.activated, plan.learns, plan.dtype)))
    return compile_kernel(f"mlp_{plan.kind}", key, partial(source, plan))
