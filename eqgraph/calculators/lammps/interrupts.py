"""Ctrl-C while LAMMPS runs: noted, for the potential to stop the run at its next step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupts:
    """An exception that Ctrl-C raised in the middle of a callback would be lost in LAMMPS's frames: the signal is only noted.

    Example:
        >>> interrupts = Interrupts()
        >>> with interrupts.noted():
        ...     signal.raise_signal(signal.SIGINT)
        ...     interrupts.taken()
        True
    """

    def __init__(self) -> None:
        self._pending, self._depth = False, 0

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the signal inside the block, where that is possible: in the main thread. Blocks may be inside of each other.

        Raises:
            KeyboardInterrupt: at the end, if there was a signal that nobody took; at once, if there is a second one.
        """
        is_main = threading.current_thread() is threading.main_thread()
        # not where a shell told programs in the background to ignore it, or somebody else than Python handles it
        if self._depth or not is_main or signal.getsignal(signal.SIGINT) in (None, signal.SIG_IGN):
            yield
            return
        before = signal.signal(signal.SIGINT, self._note)
        self._depth = 1
        try:
            yield
        finally:
            self._depth = 0
            signal.signal(signal.SIGINT, before)
            if self.taken():  # whatever else went wrong
                raise KeyboardInterrupt

    def taken(self) -> bool:
        """Whether there was a signal since the last question."""
        pending, self._pending = self._pending, False
        return pending

    def _note(self, signum: int, frame: object) -> None:
        if self._pending:
            raise KeyboardInterrupt
        self._pending = True
