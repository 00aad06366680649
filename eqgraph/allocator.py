"""How the C library keeps memory: a process-wide choice, which programs make and libraries do not."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of mallopt in glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let the process keep the memory that it frees, for what it allocates next, instead of giving it back to the system.

    Every training step and every step of molecular dynamics allocates the same large tensors again. Given back, each page of them is
    faulted in and cleared anew: on a million edges that takes as long as the arithmetic. The process stays as large as it once was.

    Returns:
        Whether the C library has such a choice (glibc has).

    Example:
        >>> keep_freed_memory() in (True, False)
        True
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))
