"""What all commands share: options, errors, exit codes."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from importlib.metadata import version

from eqgraph.allocator import keep_freed_memory

from .check import add_check
from .errors import exit_code, is_unexpected, message_of
from .eval import add_eval
from .info import add_info
from .options import Help
from .prepare import add_prepare
from .report import add_report
from .select import add_select
from .selftest import add_selftest
from .train import add_train

# torch and Lightning are imported by the commands that need them: `eqgraph --help` answers at once


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0: done. 1: failed on the way (full disk, diverged training). 2: bad input. 130: Ctrl-C. 143: SIGTERM.
    """
    arguments = make_parser().parse_args(argv)
    # Read when torch is imported. Threads that spin long while they wait slow a training down where other programs run on the same
    # cores, threads that never spin where none does: CONTRIBUTING.md has the numbers.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    keep_freed_memory()
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or "Interrupted.", file=sys.stderr)
        return 128 + getattr(interrupt, "signum", signal.SIGINT)
    except Exception as error:
        if arguments.debug:
            raise
        code = exit_code(error)
        if code is None:  # a mistake of ours: the traceback is what we need to see
            raise
        lines = message_of(error).splitlines() or [type(error).__name__]
        if is_unexpected(error):
            lines[-1] += (
                f" ({type(error).__name__}; if this does not tell what is wrong, --debug shows where it comes from)"
            )
        for line in lines:
            print(f"error: {line}", file=sys.stderr)
        return code


def make_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="eqgraph",
        description="E(3)-equivariant potentials and point-cloud classifiers.",
        epilog="example:\n  eqgraph train potential.yaml\n\n`eqgraph command --help` has examples of each command.",
        formatter_class=Help,
    )
    parser.add_argument("--version", action="version", version=f"eqgraph {version('eqgraph')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="command")

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    for add in (add_check, add_train, add_eval, add_report, add_selftest, add_select, add_info, add_prepare):
        add(commands, common)
    return parser
