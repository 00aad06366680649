"""A progress bar for checks that take longer than a second."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import Progress

_QUIET_SECONDS = 1.0


class CheckProgress:
    """Shows on standard error what is being done; nothing if all is done within a second.

    Example:
        >>> with CheckProgress() as progress:
        ...     progress.step("Reading", 1, 2)
    """

    def __enter__(self) -> CheckProgress:
        self._bar = Progress(console=Console(stderr=True))
        self._task = self._bar.add_task("", total=None)
        self._start = time.monotonic()
        return self

    def step(self, what: str, done: int, total: int) -> None:
        """Say what is being done, how much of it is done and how much there is."""
        self._bar.update(self._task, description=what, completed=done, total=total)
        if not self._bar.live.is_started and time.monotonic() - self._start > _QUIET_SECONDS:
            self._bar.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar.live.is_started:
            self._bar.stop()
