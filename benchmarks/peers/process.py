"""A worker seen from the driver: a process that is asked, one question at a time."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import tempfile
from pathlib import Path
from typing import Any


class WorkerError(RuntimeError):
    """The worker said that it failed, ended, or took too long."""


class WorkerProcess:
    """Starts a worker and talks to it in JSON lines; what it prints otherwise goes to a log that errors quote.

    Args:
        name: for messages.
        python: interpreter of its environment.
        script: the worker.
        threads: for OpenMP and MKL.
    """

    def __init__(self, name: str, python: Path | str, script: Path, threads: int) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115, closed in __exit__
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
        reading, writing = os.pipe()
        self._process = subprocess.Popen(
            [str(python), str(script), str(writing)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=[writing],
        )
        os.close(writing)
        self._answers = os.fdopen(reading, "rb")

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
        self._log.close()

    def ask(self, timeout: float, **message: Any) -> dict[str, Any]:
        """Send a message and wait for the answer, blocked, not polling.

        Raises:
            WorkerError: if the answer is an error or does not come in time [s].
        """
        self.send(**message)
        return self.receive(timeout)

    def send(self, **message: Any) -> None:
        """Send a message whose answer is received later."""
        with contextlib.suppress(OSError):  # if it ended, receive says why
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def receive(self, timeout: float) -> dict[str, Any]:
        """The answer to the last message; see ask."""
        ready, _, _ = select.select([self._answers], [], [], timeout)
        if not ready:
            self._process.kill()
            raise WorkerError(
                f"{self.name}: expected an answer within {timeout:.0f} s, none came. Raise --timeout or leave it out with --peers."
            )
        line = self._answers.readline()
        if not line:
            raise WorkerError(
                f"{self.name}: expected an answer, came the end of the process (status {self._process.wait()}): {self._end_of_log()}"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.name}: {answer['error']}")
        return answer

    def _end_of_log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()[-600:]
