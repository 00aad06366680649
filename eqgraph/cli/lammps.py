"""`eqgraph lammps`"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .options import Help, positive

_EXAMPLES = """\
examples:
  eqgraph lammps in.lmp
  mpirun -n 2 eqgraph lammps in.lmp -var temperature 300 -log none

in.lmp is a script of LAMMPS with `units metal`, and after its atoms, before `run`, the lines
  pair_style  eqgraph
  pair_coeff  * * model.eqg O H      # the elements of atom types 1, 2, ...
"""


def add_lammps(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Its options."""
    lammps = commands.add_parser(
        "lammps",
        parents=[common],
        help="molecular dynamics in LAMMPS, on one process or several",
        description=_lammps.__doc__,
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    lammps.add_argument("--device", help="cpu, cuda or cuda:1 (default cpu)")
    lammps.add_argument("--dtype", choices=["float32", "float64"], help="of the network (default: as stored)")
    lammps.add_argument(
        "--threads", type=positive, metavar="N", help="per process (default 1 under mpirun, else as torch decides)"
    )
    lammps.add_argument("script", type=Path, help="input script of LAMMPS")
    lammps.add_argument("options", nargs=argparse.REMAINDER, help="options of LAMMPS, such as -var name value")
    lammps.set_defaults(run=_lammps)


def _lammps(arguments: argparse.Namespace) -> int:
    """Run an input script of LAMMPS whose pair_style is eqgraph."""
    import atexit

    import torch

    from eqgraph.calculators.lammps import open_lammps, run_script

    if not arguments.script.is_file():
        raise FileNotFoundError(f"Expected an input script of LAMMPS, came '{arguments.script}': no such file.")
    lmp = open_lammps(arguments.options)
    atexit.register(lmp.finalize)  # mpirun expects it; no LAMMPS can be opened in this process afterwards
    size = lmp.extract_setting("world_size")
    if arguments.threads or size > 1:
        torch.set_num_threads(arguments.threads or 1)
    try:
        run_script(lmp, arguments.script, arguments.device, arguments.dtype)
    except ValueError:
        if lmp.extract_setting("world_rank"):
            return 2  # the first process says what all of them know
        raise
    except BaseException as error:
        if size == 1:
            raise
        # the other processes may not know of it and wait for this one: mpirun ends them when it leaves without a farewell
        print(f"error: {error!r}", file=sys.stderr, flush=True)
        os._exit(130 if isinstance(error, KeyboardInterrupt) else 1)
    lmp.close()
    return 0
