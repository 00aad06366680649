"""Memory for results."""

import ctypes
import sys
from functools import cache

from torch import Tensor

_LARGE = 1 << 25
_MADV_HUGEPAGE = 14


def empty(shape: int | tuple[int, ...], like: Tensor) -> Tensor:
    """An uninitialized tensor; a large one asks for huge pages, since faulting in small ones takes as long as filling them."""
    tensor = like.new_empty(shape)
    size = tensor.numel() * tensor.element_size()
    if size >= _LARGE and sys.platform == "linux":
        start = -(-tensor.data_ptr() // 4096) * 4096
        _libc().madvise(ctypes.c_void_p(start), ctypes.c_size_t(size - 4096), _MADV_HUGEPAGE)  # a hint: failing is fine
    return tensor


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
