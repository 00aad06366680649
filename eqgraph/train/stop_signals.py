"""Ctrl-C and SIGTERM, with which people and batch systems end a training."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequestedError(BaseException):
    """A signal asked to stop. Not a KeyboardInterrupt: Lightning would turn that into an exit without a word."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class StopSignals:
    """Turns signals into StopRequestedError, at once or (while `postponed`) only noted, for the training to stop after its step.

    A second signal is never postponed.

    Attributes:
        signum: the signal that came, or None.
        since: when it came (time.monotonic, s).

    Example:
        >>> import os
        >>> with (stop := StopSignals()).caught():
        ...     stop.postponed = True
        ...     os.kill(os.getpid(), signal.SIGTERM)
        >>> signal.Signals(stop.signum).name
        'SIGTERM'
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self.since = 0.0
        self.postponed = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Handle the signals inside the block, where that is possible: in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {signum: signal.getsignal(signum) for signum in _SIGNALS}
        try:
            self.install()
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def install(self) -> None:
        """Handle the signals (again: Lightning puts its own handler for SIGTERM in the place of ours)."""
        if threading.current_thread() is threading.main_thread():
            for signum in _SIGNALS:
                signal.signal(signum, self._handle)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        first = self.signum is None
        if first:
            self.signum, self.since = signum, time.monotonic()
        if not (first and self.postponed):
            raise StopRequestedError(signum)
