"""The convolution on the CPU: value, gradient and second gradient by compiled kernels."""

from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from ..edges import SortedEdges
from ..paths import PathTable
from .conv_kernels import INTEGERS, source
from .conv_plan import ConvPlan
from .jit import compile_kernel
from .jobs import run
from .memory import empty
from .parts import add_parts


def conv(x: Tensor, y: Tensor, w: Tensor, edges: SortedEdges, table: PathTable) -> Tensor:
    """The value: see ops.reference.tensor_product_conv."""
    out = empty(edges.num_dst * table.dim_out, x)
    _call(_kernel(table.key, "forward", x.dtype, None), [out, x, y, w], edges)
    return out


def conv_backward(
    g: Tensor, x: Tensor, y: Tensor, w: Tensor, edges: SortedEdges, table: PathTable, moves: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of Σ g · conv(x, y, w) with respect to x, w and, if it moves, y (else zeros)."""
    gx, gy, gw = _SenderParts(edges, table, x), _gradient_of_harmonics(y, moves), empty(w.shape, w)
    _call(_kernel(table.key, "backward", x.dtype, None, moves=moves), [gx, gy, g, x, y, gw, w], edges)
    return gx.total(), gy, gw


def conv_double_backward(
    a: Tensor, b: Tensor, d: Tensor, g: Tensor, x: Tensor, y: Tensor, w: Tensor, edges: SortedEdges, table: PathTable
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of Σ a · gx + Σ b · gy + Σ d · gw with respect to g, x, y and w, (gx, gy, gw) being the result of conv_backward."""
    dg, dx, dy, dw = empty(g.numel(), g), _SenderParts(edges, table, x), empty(y.shape, y), empty(w.shape, w)
    _call(_kernel(table.key, "double_backward", x.dtype, None), [dg, dx, dy, a, b, g, x, y, dw, d, w], edges)
    return dg, dx.total(), dy, dw


def radial_conv(x: Tensor, y: Tensor, h: Tensor, matrix: Tensor, edges: SortedEdges, table: PathTable) -> Tensor:
    """conv(x, y, h @ matrix) without ever storing the weights."""
    out = empty(edges.num_dst * table.dim_out, x)
    _call(_kernel(table.key, "forward", x.dtype, h.shape[1]), [out, x, y, h, matrix], edges)
    return out


def radial_conv_backward(
    g: Tensor,
    x: Tensor,
    y: Tensor,
    h: Tensor,
    matrix: Tensor,
    edges: SortedEdges,
    table: PathTable,
    learns: bool = True,
    moves: bool = True,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of Σ g · radial_conv(x, y, h, matrix) with respect to x, h, y if it moves and matrix if it learns (else zeros)."""
    gx, gy, gh = _SenderParts(edges, table, x), _gradient_of_harmonics(y, moves), empty(h.shape, h)
    gmatrix = _Parts(edges, matrix)
    tensors = [gx, gy, g, x, y, gh, gmatrix, h, matrix, matrix.t().contiguous()]
    _call(_kernel(table.key, "backward", x.dtype, h.shape[1], learns, moves), tensors, edges)
    return gx.total(), gy, gh, gmatrix.total()


def radial_conv_double_backward(
    a: Tensor,
    b: Tensor,
    c: Tensor,
    g: Tensor,
    x: Tensor,
    y: Tensor,
    h: Tensor,
    matrix: Tensor,
    edges: SortedEdges,
    table: PathTable,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of Σ a · gx + Σ b · gy + Σ c · gh with respect to g, x, y, h and matrix, (gx, gy, gh, ...) being the result of
    radial_conv_backward."""
    dg, dx, dy = empty(g.numel(), g), _SenderParts(edges, table, x), empty(y.shape, y)
    dh, dmatrix = empty(h.shape, h), _Parts(edges, matrix)
    tensors = [dg, dx, dy, a, b, g, x, y, dh, dmatrix, c, h, matrix, matrix.t().contiguous()]
    _call(_kernel(table.key, "double_backward", x.dtype, h.shape[1]), tensors, edges)
    return dg, dx.total(), dy, dh, dmatrix.total()


def _gradient_of_harmonics(y: Tensor, moves: bool) -> Tensor:
    """What the kernel fills, or zeros that it leaves alone."""
    return empty(y.shape, y) if moves else torch.zeros_like(y)


@cache
def _kernel(
    key: str, kind: str, dtype: torch.dtype, num_hidden: int | None, learns: bool = True, moves: bool = True
) -> tuple[int, int]:
    """Address and size of the scratch memory of a kernel."""
    name = str(dtype).removeprefix("torch.")
    plan = ConvPlan(PathTable.from_key(key), kind, name, num_hidden, learns, moves)
    title = f"{'conv' if num_hidden is None else 'radial_conv'}_{kind}"
    return compile_kernel(
        title, f"{key} {name} {num_hidden} {learns} {moves}", partial(source, plan)
    ), plan.scratch_bytes


class _Parts:
    """A result to which all chunks add: each has its own copy, and they are added in the order of the chunks."""

    def __init__(self, edges: SortedEdges, like: Tensor) -> None:
        self._shape = like.shape
        self._parts = empty((len(edges.chunks), like.numel()), like)

    def addresses(self) -> np.ndarray:
        """Of the copy of each chunk."""
        step = self._parts.stride(0) * self._parts.element_size()
        return self._parts.data_ptr() + step * np.arange(len(self._parts))

    def total(self) -> Tensor:
        return (self._parts[0] if len(self._parts) == 1 else self._parts.sum(0)).view(self._shape)


class _SenderParts:
    """Gradient of the senders' features: chunks have copies of the range of senders that they meet, one after another."""

    def __init__(self, edges: SortedEdges, table: PathTable, x: Tensor) -> None:
        self._table, self._num_src, self._x = table, edges.num_src, x
        self.ranges = edges.chunks.numpy()[:, 2:] if len(edges.chunks) > 1 else np.array([[0, edges.num_src]])
        sizes = (self.ranges[:, 1] - self.ranges[:, 0]) * table.dim_in
        self._starts = np.cumsum(sizes) - sizes
        self._parts = empty(int(sizes.sum()), x)

    def addresses(self) -> np.ndarray:
        """Of the copy of each chunk."""
        return self._parts.data_ptr() + self._parts.element_size() * self._starts

    def total(self) -> Tensor:
        if len(self.ranges) == 1:
            return self._parts
        total = empty(self._num_src * self._table.dim_in, self._x)
        parts = np.column_stack([self.addresses(), self.ranges])
        add_parts(total, self._num_src, [block.size for block in self._table.blocks], parts)
        return total


def _call(kernel: tuple[int, int], tensors: list[Tensor | _Parts | _SenderParts], edges: SortedEdges) -> None:
    """Run a kernel on all chunks, phase after phase: within a phase no two chunks write to the same place."""
    chunks, index, ptr = edges.chunks.numpy(), edges.index, edges.ptr
    arguments = np.empty((len(chunks), len(tensors) + 4 + len(INTEGERS)), np.int64)
    for column, tensor in enumerate(tensors):
        arguments[:, column] = tensor.data_ptr() if isinstance(tensor, Tensor) else tensor.addresses()
    row = 4 * index.shape[1]  # bytes of a row of int32
    rest = arguments[:, len(tensors) :]
    rest[:, :3] = index.data_ptr(), index.data_ptr() + 2 * row, edges.order.data_ptr()
    rest[:, 4:6], rest[:, 6:8] = chunks[:, :2], (edges.num_src, edges.num_dst)
    rest[:, 8:10] = 0
    for tensor in tensors:
        if isinstance(tensor, _SenderParts):
            rest[:, 8], rest[:, 9] = tensor.ranges[:, 0], tensor.ranges[:, 1] - tensor.ranges[:, 0]
    for phase in range(len(ptr)):
        rest[:, 3], rest[:, 10] = ptr.data_ptr() + 4 * phase * ptr.shape[1], phase > 0
        run(*kernel, arguments)
