"""Memory for results."""

import ctypes
import sys
from functools import cache

from torch import Tensor

_LARGE = 1 << 22
_MADV_HUGEPAGE = 14


def empty(numel: int, like: Tensor) -> Tensor:
    """An uninitialized vector; a large one asks for huge pages, since faulting in small ones takes as long as filling them."""
    tensor = like.new_empty(numel)
    size = numel * tensor.element_size()
    if size >= _LARGE and sys.platform == "linux":
        start = -(-tensor.data_ptr() // 4096) * 4096
        _libc().madvise(ctypes.c_void_p(start), ctypes.c_size_t(size - 4096), _MADV_HUGEPAGE)  # a hint: failing is fine
    return tensor


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
