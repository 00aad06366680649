"""`eqgraph train`"""

from __future__ import annotations

import argparse
from pathlib import Path

from .console import make_console
from .options import Help

_EXAMPLES = """\
examples:
  eqgraph train potential.yaml
  eqgraph train potential.yaml model.cutoff=6.0 training.output=runs/second training.max_time='1 h'
  eqgraph train --resume runs/second

potential.yaml says at least:
  data:
    train: my_structures.xyz
    energy_key: REF_energy
    forces_key: REF_forces
  training:
    output: runs/first
"""


def add_train(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Its options."""
    train = commands.add_parser(
        "train",
        parents=[common],
        help="train a potential or a classifier",
        description=_train.__doc__,
        usage="eqgraph train config.yaml [section.key=value ...]\n"
        "       eqgraph train --resume RUN [--allow-changes] [section.key=value ...]",
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    train.add_argument("config", nargs="?", help="YAML file; left out with --resume")
    train.add_argument(
        "overrides",
        nargs="*",
        metavar="section.key=value",
        help="replaces what the file says, e.g. training.max_time='4 min'",
    )
    train.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="go on with the run in this directory, with its own config.yaml: as if it had never stopped",
    )
    train.add_argument(
        "--allow-changes",
        action="store_true",
        help="resume although the config or the data of the run have changed",
    )
    train.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> int:
    """Train a potential or a classifier of point clouds as a YAML file says; writes the model, tables and plots to training.output."""
    given = [*filter(None, [arguments.config]), *arguments.overrides]
    if arguments.resume is None and (not given or arguments.allow_changes):
        what = "--allow-changes alone" if given else "neither"
        raise ValueError(f"Expected a YAML file or --resume RUN, came {what}. An example: eqgraph train config.yaml")
    from eqgraph.train import fit, load_config, resume

    if arguments.resume is not None:
        resume(arguments.resume, given, arguments.allow_changes, make_console())
    else:
        fit(load_config(given[0], given[1:]), make_console())
    return 0
