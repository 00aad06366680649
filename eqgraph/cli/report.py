"""`eqgraph report`"""

from __future__ import annotations

import argparse
from pathlib import Path

from .console import make_console
from .options import Help

_EXAMPLES = """\
examples:
  eqgraph report runs/first
  eqgraph report runs/first -o first.html
"""


def add_report(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Its options."""
    report = commands.add_parser(
        "report",
        parents=[common],
        help="one HTML page that shows a training: learning curves, errors, worst structures, timing",
        description=_report.__doc__,
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    report.add_argument(
        "directory", metavar="run", type=Path, help="directory of a run (training.output), also of one that is not over"
    )
    report.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where to write the page (report.html in the directory)"
    )
    report.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default auto)")
    report.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> int:
    """Write one HTML page of a run that any browser shows without a network: the page that `eqgraph train` writes at its end, made
    again from the directory of the run. What is missing there, or among the data, is named on the page."""
    if arguments.output is not None and arguments.output.suffix.lower() not in (".html", ".htm"):
        raise ValueError(
            f"Expected a name that ends with .html for --output, came '{arguments.output}'. Choose such a name."
        )
    from eqgraph.train import report_run

    report_run(arguments.directory, arguments.output, arguments.device, make_console())
    return 0
