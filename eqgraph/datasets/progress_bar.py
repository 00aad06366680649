"""A progress bar for what takes longer than a second."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

QUIET_SECONDS = 1.0
"""How long it takes before there is a progress bar."""
_SECONDS_BETWEEN_UPDATES = 0.1

Item = TypeVar("Item")


def tracked(items: Iterable[Item], description: str, total: int, done: int = 0) -> Iterator[Item]:
    """The items, one by one, with a bar on standard error that appears only if they take long.

    Args:
        items: what is worked on.
        description: of the work.
        total: how many items there are, with those that were done before.
        done: how many were done before.

    Example:
        >>> list(tracked("abc", "Letters", 3))
        ['a', 'b', 'c']
    """
    progress = Progress(console=Console(stderr=True))
    task = progress.add_task(description, total=total, completed=done)
    start = updated = time.monotonic()
    try:
        for item in items:
            yield item
            done += 1
            now = time.monotonic()
            if now - updated >= _SECONDS_BETWEEN_UPDATES or done == total:
                progress.update(task, completed=done)
                updated = now
            if not progress.live.is_started and now - start > QUIET_SECONDS:
                progress.start()
    finally:
        if progress.live.is_started:
            progress.stop()
