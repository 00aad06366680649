"""One pass over structures, in as many processes as one likes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

import torch

from .frame_source import FrameSource
from .frame_table import FrameRow
from .graph_blob import graph_to_bytes

_CHUNK = 32
"""Structures that a process works on at a time."""

Scanned = tuple[FrameRow, str | None, bytes | None]
"""Row, config_type and graph (if asked for) of a structure."""


def scan(
    source: FrameSource, cutoff: float, indices: Sequence[int], workers: int = 0, blobs: bool = False
) -> Iterator[Scanned]:
    """Read structures, find their neighbors, and say what a FrameTable needs to know, in the order of the indices.

    Only a few structures are in memory at a time.

    Args:
        source: where the structures are.
        cutoff: edges are shorter than this [Å].
        indices: which structures.
        workers: how many processes; 0: this one.
        blobs: whether to make graph_to_bytes of each, too.

    Raises:
        ValueError: for the reasons of FrameSource.graph, at the structure that is wrong.
    """
    if workers == 0:
        yield from (_scanned(source, cutoff, index, blobs) for index in indices)
        return
    chunks = (indices[start : start + _CHUNK] for start in range(0, len(indices), _CHUNK))
    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(source, cutoff, blobs)) as pool:
        waiting: deque[Future] = deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_work, chunk))
                if len(waiting) > 2 * workers:
                    yield from _finished(waiting.popleft())
            while waiting:
                yield from _finished(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()


def _scanned(source: FrameSource, cutoff: float, index: int, blobs: bool) -> Scanned:
    frame, graph = source.frame_and_graph(index, cutoff)
    return FrameRow.of(frame, graph.num_edges), frame.config_type, graph_to_bytes(graph) if blobs else None


def _finished(future: Future) -> Iterator[Scanned]:
    found, message = future.result()
    yield from found
    if message is not None:
        raise ValueError(message)


def _begin(source: FrameSource, cutoff: float, blobs: bool) -> None:
    """In each process, once."""
    global _job
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    _job = source, cutoff, blobs


def _end_with(parent: int) -> None:
    """A process of a pool would wait for work forever if its parent was killed."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _work(indices: Sequence[int]) -> tuple[list[Scanned], str | None]:
    """Errors travel as their message: raised in another process, they would come with its traceback."""
    source, cutoff, blobs = _job
    found = []
    try:
        for index in indices:
            found.append(_scanned(source, cutoff, index, blobs))
    except ValueError as error:
        return found, str(error)
    return found, None
