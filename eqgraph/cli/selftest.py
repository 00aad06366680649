"""`eqgraph selftest`"""

from __future__ import annotations

import argparse

from eqgraph.replacing import replacing

from .console import make_console
from .options import Help, positive, positive_number

_EXAMPLES = """\
examples:
  eqgraph selftest runs/first/model.eqg
  eqgraph selftest runs/first/model.eqg test.xyz@3 --json selftest.json

exit code: 0 all tests passed, 1 one failed, 2 the model or the structure cannot be used
"""


def add_selftest(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Its options."""
    selftest = commands.add_parser(
        "selftest",
        parents=[common],
        help="whether a potential obeys physics on a structure",
        description=_selftest.__doc__,
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    selftest.add_argument("model", help="model file that `eqgraph train` wrote (*.eqg)")
    selftest.add_argument(
        "structure",
        nargs="?",
        help="file in any format that ASE reads: its first structure, or file@index; without one, a cluster and a crystal are made of "
        "the model's species",
    )
    selftest.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        help="floating-point type in which the network computes (default as stored)",
    )
    selftest.add_argument(
        "--tolerance-scale", type=positive_number, default=1.0, metavar="X", help="factor on all tolerances (default 1)"
    )
    selftest.add_argument(
        "--md-steps",
        type=positive,
        default=100,
        metavar="N",
        help="steps of molecular dynamics, in which energy is conserved (default 100)",
    )
    selftest.add_argument(
        "--json", metavar="FILE", help="write all measurements as JSON; - for standard output, without the table"
    )
    selftest.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default auto)")
    selftest.set_defaults(run=_selftest)


def _selftest(arguments: argparse.Namespace) -> int:
    """Measure what must hold of every potential: symmetries, extensivity, smoothness at the cutoff, forces and stress as derivatives
    of the energy, conservation of energy, fast kernels that compute what the reference does."""
    from pathlib import Path

    import torch

    from eqgraph.check.progress import CheckProgress
    from eqgraph.models import load_potential
    from eqgraph.selftest import (
        SelftestReport,
        StructureResults,
        made_structures,
        read_structure,
        run_selftest,
        selftest_tables,
    )
    from eqgraph.train import choose_device

    names = (arguments.model, arguments.structure, (arguments.structure or "").rpartition("@")[0])
    inputs = [Path(name).resolve() for name in names if name]
    if arguments.json not in (None, "-") and Path(arguments.json).resolve() in inputs:
        raise ValueError(
            f"Expected another file for the report than model and structure, came '{arguments.json}'. Choose another name."
        )
    potential, _ = load_potential(arguments.model, choose_device(arguments.device))
    if arguments.dtype is not None:
        potential.network.to(getattr(torch, arguments.dtype))
    if arguments.structure is None:
        structures = made_structures(potential.species.tolist(), potential.cutoff)
    else:
        frame = read_structure(arguments.structure)
        structures = {f"{Path(frame.source).name}, frame {frame.index}": frame.atoms}
    found = []
    with CheckProgress() as progress:
        for name, atoms in structures.items():
            results = run_selftest(
                potential,
                atoms,
                tolerance_scale=arguments.tolerance_scale,
                md_steps=arguments.md_steps,
                step=progress.step,
            )
            found.append(StructureResults(name, atoms.get_chemical_formula(), arguments.structure is None, results))
    dtype = str(potential.dtype).removeprefix("torch.")
    report = SelftestReport(Path(arguments.model).name, dtype, found)
    if arguments.json == "-":
        print(report.json())
    else:
        console = make_console()
        for table in selftest_tables(report):
            console.print(table)
        number = len(report.failed)
        console.print(f"{number} test{'s' if number != 1 else ''} failed." if number else "All tests passed.")
    if arguments.json not in (None, "-"):
        with replacing(arguments.json) as temporary:
            temporary.write_text(report.json() + "\n", encoding="utf-8")
    return report.exit_code
