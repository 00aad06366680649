"""Runs commands of eqgraph in forked processes that all share one start of Python, and lets accidents happen to them.

Reads one job per line (JSON) and answers with the exit code (minus the signal that killed the process) and the number of events. Events
are the moments around everything that a training does to its weights and to its files: see `_EVENTS`. A job is

    arguments: of the command line.
    printed: file for what it prints.
    at: number of the event at which the accident happens, or null.
    accident: name of a signal, or "ENOSPC".
    after: seconds until the process is killed from outside, or null.
"""

import errno
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import torch

import eqgraph.cli
import eqgraph.train
import eqgraph.train.points.task
import eqgraph.train.potential.task
from eqgraph.train.points.module import PointsModule
from eqgraph.train.potential.module import PotentialModule

_EVENTS = {
    os: ("fsync", "replace", "link"),
    PotentialModule: ("training_step", "validation_step"),
    PointsModule: ("training_step", "validation_step"),
    torch.optim.Adam: ("step",),
    torch.optim.AdamW: ("step",),
}


def _prepare(job: dict) -> list[str]:
    """Plots take longer than these trainings; everything else happens as always, but for the accident."""
    for task, names in (
        (sys.modules["eqgraph.train.potential.task"], ("plot_parity", "plot_learning_curve")),
        (
            sys.modules["eqgraph.train.points.task"],
            ("plot_confusion", "plot_per_class", "plot_points_learning_curve"),
        ),
    ):
        for name in names:
            setattr(task, name, lambda *arguments: None)
    events: list[str] = []

    def happens(name: str) -> None:
        events.append(name)
        if len(events) != job["at"]:
            return
        if job["accident"] == "ENOSPC":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.kill(os.getpid(), getattr(signal, job["accident"]))

    def watched(function, name):
        def call(*arguments, **keywords):
            happens(f"before {name}")
            result = function(*arguments, **keywords)
            if job["accident"] != "ENOSPC":
                happens(f"after {name}")
            return result

        return call

    for owner, names in _EVENTS.items():
        for name in names:
            if job["accident"] == "ENOSPC" and owner is not os:
                continue
            setattr(owner, name, watched(getattr(owner, name), name))
    return events


def _child(job: dict, answer: int) -> None:
    with open(job["printed"], "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    events = _prepare(job)
    code = eqgraph.cli.main(job["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(answer, json.dumps({"code": code, "events": events}).encode())


def main() -> None:
    for line in sys.stdin:
        job = json.loads(line)
        answer, write = os.pipe()
        if (pid := os.fork()) == 0:
            try:
                _child(job, write)
            except BaseException:
                traceback.print_exc()  # into what was printed
            finally:
                os._exit(70)
        os.close(write)
        if job["after"] is not None:
            time.sleep(job["after"])
            os.kill(pid, signal.SIGKILL)
        text = b"".join(iter(lambda: os.read(answer, 2**16), b""))  # noqa: B023
        os.close(answer)
        status = os.waitpid(pid, 0)[1]
        result = json.loads(text) if text else {"code": os.waitstatus_to_exitcode(status), "events": []}
        print(json.dumps(result | {"printed": Path(job["printed"]).read_text()}), flush=True)


if __name__ == "__main__":
    main()
