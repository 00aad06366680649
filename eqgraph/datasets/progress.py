"""A progress bar for what may take long, and does not always."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from eqgraph.launch import launched

Item = TypeVar("Item")

QUIET_SECONDS = 1.0
"""How long it takes before there is a progress bar."""


def with_progress(items: Iterable[Item], description: str, total: int | None = None, done: int = 0) -> Iterator[Item]:
    """The items, with a progress bar on standard error once they have taken a second.

    Args:
        items: whatever takes long to make, or to work on.
        description: of what happens.
        total: how many there are, with those done before; None: the length of items if it has one.
        done: how many were done before.

    Example:
        >>> sum(with_progress([1, 2, 3], "Adding"))
        6
    """
    total = len(items) if total is None and hasattr(items, "__len__") else total
    progress = Progress(console=Console(stderr=True, quiet=not launched().is_first))
    task = progress.add_task(description, total=total, completed=done)
    start = time.monotonic()
    try:
        for item in items:
            yield item
            progress.advance(task)
            if not progress.live.is_started and time.monotonic() - start > QUIET_SECONDS:
                progress.start()
    finally:
        if progress.live.is_started:
            progress.stop()
