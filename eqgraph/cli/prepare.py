"""`eqgraph prepare`"""

from __future__ import annotations

import argparse
from pathlib import Path

from .console import make_console
from .options import Help, add_label_keys, label_keys, not_negative

_EXAMPLES = """\
example:
  eqgraph prepare data.xyz --output prepared --cutoff 5.0 --workers 4
  eqgraph train potential.yaml data.train=prepared model.cutoff=5.0
"""


def add_prepare(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Its options."""
    prepare = commands.add_parser(
        "prepare",
        parents=[common],
        help="convert structures to graphs on disk, for data sets larger than memory",
        description=_prepare.__doc__,
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    prepare.add_argument("data", type=Path, nargs="+", help="structures in any format that ASE reads")
    prepare.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder for the graphs; it appears when it is complete",
    )
    prepare.add_argument(
        "--cutoff",
        type=float,
        default=5.0,
        metavar="Å",
        help="distance up to which atoms are neighbors, the largest model.cutoff that the folder serves (default 5.0)",
    )
    add_label_keys(prepare)
    prepare.add_argument(
        "--workers", type=not_negative, default=0, metavar="N", help="processes beside the one that writes (default 0)"
    )
    prepare.set_defaults(run=_prepare)


def _prepare(arguments: argparse.Namespace) -> int:
    """Write the graphs of structures, with labels and statistics, to a folder that `eqgraph train` reads a graph at a time.

    Interrupted, it goes on where it stopped when it is called again for the same files."""
    from ase.data import chemical_symbols

    from eqgraph.datasets import LABELS, prepare

    keys = {f"{name}_key": key for name, key in label_keys(arguments).items()}
    graphs = prepare(arguments.data, arguments.output, arguments.cutoff, keys, arguments.workers)
    table = graphs.table
    labels = ", ".join(f"{name} {count}" for name in LABELS if (count := table.num_labels(name))) or "none"
    size = sum(file.stat().st_size for file in arguments.output.iterdir()) / 1e6
    for line in (
        f"{len(table)} structures, {int(table.is_isolated.sum())} of them isolated atoms",
        f"Labels: {labels}",
        f"Elements: {', '.join(chemical_symbols[number] for number in table.species)}",
        f"Neighbors: {table.avg_num_neighbors:.1f} on average within {graphs.cutoff:g} Å",
        f"Graphs: {arguments.output} ({size:.1f} MB)",
    ):
        make_console().print(line, soft_wrap=True, highlight=False)
    return 0
