"""`eqgraph check`"""

from __future__ import annotations

import argparse
from pathlib import Path

from eqgraph.replacing import replacing

from .console import make_console
from .options import Help, add_label_keys, label_keys

_EXAMPLES = """\
example:
  eqgraph check train.xyz test.xyz --energy-key REF_energy --forces-key REF_forces --html check.html

exit code: 0 fine (there may be warnings), 1 errors in the data, 2 a file cannot be read
"""


def add_check(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Its options."""
    check = commands.add_parser(
        "check",
        parents=[common],
        help="look for mistakes in structures and labels before training on them",
        description=_check.__doc__,
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    check.add_argument(
        "data", type=Path, nargs="+", help="structures in any format that ASE reads; the first is what one trains on"
    )
    check.add_argument(
        "--cutoff", type=float, default=5.0, metavar="Å", help="distance up to which atoms are neighbors (default 5)"
    )
    add_label_keys(check)
    check.add_argument(
        "--json", metavar="FILE", help="write the findings as JSON; - for standard output, without the table"
    )
    check.add_argument("--html", type=Path, metavar="FILE", help="write the findings with histograms as one HTML page")
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    """Look for what makes trainings fail or learn the wrong thing: missing labels, wrong units and signs, duplicates, close atoms."""
    from eqgraph.check import check_files, findings_table, write_check_page
    from eqgraph.check.progress import CheckProgress

    for output in (arguments.json, arguments.html):
        if output is not None and any(Path(output).resolve() == path.resolve() for path in arguments.data):
            raise ValueError(
                f"Expected another file for the report than the data, came '{output}'. Choose another name."
            )
    keys = label_keys(arguments)
    with CheckProgress() as progress:
        report, data = check_files(arguments.data, keys, arguments.cutoff, progress.step)
    if arguments.json == "-":
        print(report.json())
    else:
        console = make_console()
        console.print(findings_table(report))
    if arguments.json not in (None, "-"):
        with replacing(arguments.json) as temporary:
            temporary.write_text(report.json() + "\n", encoding="utf-8")
    if arguments.html is not None:
        write_check_page(arguments.html, report, data)
        if arguments.json != "-":
            console.print(f"Report: {arguments.html}", soft_wrap=True, highlight=False)
    return report.exit_code
