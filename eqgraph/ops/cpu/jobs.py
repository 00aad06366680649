"""Runs a kernel on many sets of arguments, on the threads that torch uses.

Torch's threads belong to an OpenMP runtime, whose idle threads wait actively for their next work. Threads of our own would compete with
them for the processors, so kernels run on them, through the entry point that compilers use for a parallel region. Where that cannot be
found, Python's own threads do it.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path

import numpy as np
import torch

from .jit import compile_kernel

# Any number of threads may run this at once: each takes a part of the scratch memory, then one set of arguments after another.
# job: kernel, number of sets, address of the sets, bytes per set, address of scratch, bytes per thread, next set, next thread
_WORK = """
define void @{name}(ptr %job) nounwind {{
entry:
  %at.number = getelementptr i64, ptr %job, i64 1
  %at.sets = getelementptr i64, ptr %job, i64 2
  %at.size = getelementptr i64, ptr %job, i64 3
  %at.scratch = getelementptr i64, ptr %job, i64 4
  %at.part = getelementptr i64, ptr %job, i64 5
  %at.next = getelementptr i64, ptr %job, i64 6
  %at.thread = getelementptr i64, ptr %job, i64 7
  %kernel = load ptr, ptr %job, align 8
  %number = load i64, ptr %at.number, align 8
  %sets = load ptr, ptr %at.sets, align 8
  %size = load i64, ptr %at.size, align 8
  %memory = load ptr, ptr %at.scratch, align 8
  %part = load i64, ptr %at.part, align 8
  %thread = atomicrmw add ptr %at.thread, i64 1 seq_cst
  %offset = mul i64 %thread, %part
  %scratch = getelementptr i8, ptr %memory, i64 %offset
  br label %next
next:
  %set = atomicrmw add ptr %at.next, i64 1 seq_cst
  %more = icmp slt i64 %set, %number
  br i1 %more, label %run, label %done
run:
  %start = mul i64 %set, %size
  %arguments = getelementptr i8, ptr %sets, i64 %start
  call void %kernel(ptr %arguments, ptr %scratch)
  br label %next
done:
  ret void
}}
"""


def run(kernel: int, scratch_bytes: int, arguments: np.ndarray) -> None:
    """Call a kernel once for each row of arguments, in no particular order.

    Args:
        kernel: address of the compiled kernel.
        scratch_bytes: memory that it needs.
        arguments: (calls, arguments) int64, C-contiguous.
    """
    threads = min(torch.get_num_threads(), len(arguments))
    if not threads:
        return
    part = -(-scratch_bytes // 64) * 64
    job = np.array(
        [kernel, len(arguments), arguments.ctypes.data, arguments.strides[0], _scratch(threads * part), part, 0, 0],
        np.int64,
    )
    if threads == 1:
        _work()(job.ctypes.data)
    else:
        _team()(job.ctypes.data, threads)


@cache
def _work():
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(compile_kernel("work", "", lambda name: _WORK.format(name=name)))


@cache
def _team() -> Callable[[int, int], None]:
    """(job, number of threads): lets that many threads work on a job."""
    work = _work()
    for path in _openmp_runtimes():
        try:
            parallel = ctypes.CDLL(path, os.RTLD_NOW | getattr(os, "RTLD_NOLOAD", 0)).GOMP_parallel
        except (OSError, AttributeError):
            continue
        parallel.argtypes = [type(work), ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        parallel.restype = None
        return lambda job, threads: parallel(work, job, threads, 0)
    return _python_threads


def _openmp_runtimes() -> list[str]:
    """Files of the OpenMP runtimes that are loaded, torch's first."""
    library = Path(torch.__file__).parent / "lib"
    names = ("libgomp*", "libiomp5*", "libomp*")
    found = [
        str(path) for name in names for path in (*library.glob(name), *library.parent.parent.glob(f"torch.libs/{name}"))
    ]
    if sys.platform == "linux":
        mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "omp" in line}
        found += sorted(path for path in mapped if Path(path).name.startswith(("libgomp", "libiomp5", "libomp")))
    return found


def _python_threads(job: int, threads: int) -> None:
    others = [_pool(threads - 1).submit(_work(), job) for _ in range(threads - 1)]
    _work()(job)
    wait(others)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="eqgraph")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked process has the pool but not its threads

_local = threading.local()


def _scratch(size: int) -> int:
    """The address of memory that belongs to the calling thread until it asks again."""
    held = getattr(_local, "scratch", None)
    if held is None or len(held) < size + 64:
        held = _local.scratch = np.empty(size + 64, np.uint8)
    return -(-held.ctypes.data // 64) * 64
