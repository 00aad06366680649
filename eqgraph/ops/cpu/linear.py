"""Linear maps of node features on the CPU: value and gradients by compiled kernels."""

from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from ..blocks import LinearTable
from .jit import compile_kernel
from .jobs import run
from .linear_kernels import LinearPlan, source
from .memory import empty

_MIN_CHUNK, _MAX_CHUNKS = 256, 16


def linear(x: Tensor, w: Tensor, order: Tensor, ptr: Tensor, table: LinearTable) -> Tensor:
    """The value: see ops.linear; no groups are empty order and ptr."""
    nodes = x.numel() // max(table.dim_in, 1)
    out = empty(nodes * table.dim_out, x)
    _call("forward", [out, x, w], order, ptr, table, nodes)
    return out


def linear_backward(
    g: Tensor, x: Tensor, w: Tensor, order: Tensor, ptr: Tensor, table: LinearTable, wants_x: bool, wants_w: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of Σ g · linear(x, w) with respect to x and w, each if it is wanted (else zeros)."""
    nodes = x.numel() // max(table.dim_in, 1)
    if wants_x:
        gx = empty(x.numel(), x)
        _call("features", [gx, g, w], order, ptr, table, nodes)
    else:
        gx = torch.zeros_like(x)
    if not (wants_w and w.numel()):
        return gx, torch.zeros_like(w)
    parts = empty((_num_chunks(nodes), w.numel()), w)
    _call("weights", [parts, g, x], order, ptr, table, nodes)
    return gx, (parts[0] if len(parts) == 1 else parts.sum(0)).view(w.shape)


def _call(kind: str, tensors: list[Tensor], order: Tensor, ptr: Tensor, table: LinearTable, nodes: int) -> None:
    """Run a kernel on ranges of nodes; that of the weights writes its own part of the first tensor."""
    chunks, bounds, result = _num_chunks(nodes), _checked(order, ptr, nodes), tensors[0]
    integers = [order.data_ptr(), bounds.ctypes.data, nodes, len(bounds) - 1]
    addresses = [tensor.data_ptr() for tensor in tensors]
    part = result.stride(0) * result.element_size() if kind == "weights" else 0
    rows = [
        [addresses[0] + chunk * part, *addresses[1:], *integers, chunk * nodes // chunks, (chunk + 1) * nodes // chunks]
        for chunk in range(chunks)
    ]
    run(*_kernel(kind, table.key, order.numel() > 0, result.dtype), np.array(rows, np.int64))


def _checked(order: Tensor, ptr: Tensor, nodes: int) -> np.ndarray:
    """Where each group starts, after a look at what kernels trust."""
    bounds = ptr.numpy() if ptr.numel() else np.array([0, nodes])
    if bounds[0] != 0 or bounds[-1] != nodes or len(order) not in (0, nodes):
        raise IndexError(
            f"linear: expected each of {nodes} nodes in one of {len(bounds) - 1} groups, got groups for {bounds[-1] - bounds[0]} of "
            f"them. Give groups in 0 ... {len(bounds) - 2}."
        )
    return bounds


def _num_chunks(nodes: int) -> int:
    """Depends on nothing but the number of nodes, so that every bit is the same for any number of threads."""
    return min(max(nodes // _MIN_CHUNK, 1), _MAX_CHUNKS)


@cache
def _kernel(kind: str, key: str, indexed: bool, dtype: torch.dtype) -> tuple[int, int]:
    """Address and size of the scratch memory of a kernel."""
    plan = LinearPlan(kind, LinearTable.from_key(key), indexed, str(dtype).removeprefix("torch."))
    return compile_kernel(f"linear_{kind}", f"{key} {indexed} {plan.dtype}", partial(source, plan)), plan.scratch_bytes
