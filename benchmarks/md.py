"""Molecular dynamics: time per step, share of the neighbor list, memory; eqgraph against NequIP and MACE.

    python benchmarks/md.py                                  # everything: about half an hour, 5 minutes more the first time
    python benchmarks/md.py --quick                          # does it run: a minute, once the peers are installed
    python benchmarks/md.py --engine ase lammps --check

Velocity Verlet at constant energy on rattled alloys, periodic, 40 neighbors per atom: 64, 500 and 4,000 atoms. Networks, programs,
turns and ratios are those of train_step.py (see there): 4 layers, 32 features, lmax 2, cutoff 5 Å, float32; MACE at its nearest
configuration. Every program runs in its own calculator for ASE, with all that this does in a step: neighbor list, conversions, energy,
forces, stress. With --engine lammps, eqgraph runs in LAMMPS besides.

Each turn starts from the same atoms and velocities, after one untimed calculation of other positions: a list that eqgraph keeps for
some steps is searched once in every turn at least, on the clock. Weights are random, so a turn has few steps: atoms stay where they
are. A program that is slow runs fewer steps than --steps, about --seconds per turn.

Memory: 10,000 steps of 8 atoms, what the process holds after the first tenth and at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ase.io
from peers.install import VERSIONS
from peers.process import WorkerError
from report import Quartiles, Target, arguments, console, finish, machine, print_machine, table
from train_step import CUTOFF, NETWORK, REST, Program, crystal, settings_of, start

SIZES = {64: (4, 4, 4), 500: (5, 10, 10), 4000: (10, 20, 20)}
TINY = (2, 2, 2)
SCALE = 0.1  # eV, of the untrained networks: weak forces, so that atoms move by their velocities


@dataclass
class Dynamics:
    """A program on one size: seconds per step of each turn, and of the neighbor list in it."""

    seconds: list[float] = field(default_factory=list)
    neighbor_seconds: list[float] = field(default_factory=list)
    problem: str = ""

    def ratio(self, ours: Dynamics) -> Quartiles | None:
        """How many times longer than ours, turn by turn."""
        pairs = list(zip(self.seconds, ours.seconds, strict=False))
        return Quartiles.of([theirs / our for theirs, our in pairs]) if pairs else None

    @property
    def neighbor_share(self) -> float | None:
        if not self.neighbor_seconds:
            return None
        pairs = zip(self.neighbor_seconds, self.seconds, strict=True)
        return statistics.median(neighbor / step for neighbor, step in pairs)


def measure(
    programs: list[Program], batch: int, size: int, turns: int, options: argparse.Namespace
) -> dict[str, Dynamics]:
    """The programs take turns; the first one, of one step, is not counted: it says how long a step is."""
    found = {program.name: Dynamics(problem=program.problem) for program in programs}
    steps = dict.fromkeys(found, 1)
    for turn in range(-1, turns):
        for program in programs:
            dynamics = found[program.name]
            if dynamics.problem:
                continue
            time.sleep(REST)
            try:
                answer = ask(program, batch, steps[program.name], options)
            except WorkerError as error:
                if program is programs[0]:
                    raise
                dynamics.problem = str(error)
                program.fail(f"{size} atoms: {error}")
                continue
            if turn < 0:
                longest = max(1, int(options.seconds / answer["seconds"][0]))
                steps[program.name] = (
                    options.steps if program.name.startswith("eqgraph") else min(options.steps, longest)
                )
                continue
            dynamics.seconds += answer["seconds"]
            if answer["neighbor_seconds"] is not None:
                dynamics.neighbor_seconds.append(answer["neighbor_seconds"])
    return found


def ask(program: Program, batch: int, steps: int, options: argparse.Namespace) -> dict[str, Any]:
    return program.process.ask(
        options.timeout,
        command="md",
        batch=batch,
        steps=steps,
        time_step=options.time_step,
        temperature=options.temperature,
    )


def print_rows(size: int, num_edges: int, programs: list[Program], found: dict[str, Dynamics]) -> None:
    ours, rows = found[programs[0].name], []
    for program in programs:
        dynamics = found[program.name]
        if not dynamics.seconds or not ours.seconds:
            rows.append([program.name, "failed", "", "", ""])
            continue
        step, ratio = Quartiles.of(dynamics.seconds), dynamics.ratio(ours)
        share = dynamics.neighbor_share
        rows.append(
            [
                program.name,
                f"{1000 * step.median:.1f} ({1000 * step.lower:.1f}-{1000 * step.upper:.1f})",
                f"{size / step.median:,.0f}",
                f"{ratio.median:.2f} ({ratio.lower:.2f}-{ratio.upper:.2f})",
                "" if share is None else f"{100 * share:.1f} %",
            ]
        )
    columns = ["program", "step, ms", "atoms · steps / s", "times eqgraph", "neighbor list"]
    table(f"{size:,} atoms, {num_edges:,} edges", columns, rows)


def main() -> int:
    parser = arguments(__doc__, "runs/benchmarks/md.json")
    parser.add_argument("--peers", default="nequip,mace", help="which to compare with (default: nequip,mace)")
    parser.add_argument("--modes", default="eager,aot", help="of NequIP (default: eager,aot)")
    parser.add_argument("--engine", nargs="+", choices=["ase", "lammps"], default=["ase"], help="of eqgraph")
    parser.add_argument("--sizes", type=int, nargs="+", choices=list(SIZES), default=list(SIZES), help="atoms")
    parser.add_argument("--steps", type=int, default=20, help="steps in a turn (default: 20)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a turn of a slow program (default: 4)")
    parser.add_argument("--turns", type=int, default=7, help="turns of every program (default: 7)")
    parser.add_argument("--time-step", type=float, default=1.0, help="[fs]; default 1")
    parser.add_argument("--temperature", type=float, default=1000.0, help="of the velocities [K]; default 1000")
    parser.add_argument("--memory-steps", type=int, default=10_000, help="0: leave the memory out (default: 10000)")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds for one answer (default: 900)")
    options = parser.parse_args()
    peers = [name for name in options.peers.split(",") if name]
    if unknown := set(peers) - {"nequip", "mace"}:
        parser.error(f"expected --peers among nequip, mace, got {', '.join(sorted(unknown))}")
    if options.quick:
        options.sizes, options.steps, options.turns, options.memory_steps = [64], 2, 2, min(options.memory_steps, 400)
    modes = {
        "eqgraph": ["eager"] + (["lammps"] if "lammps" in options.engine else []),
        "nequip": [mode for mode in options.modes.split(",") if mode == "eager" or not options.quick],
        "mace": ["eager"],
    }

    described = machine()
    print_machine(
        described,
        network=", ".join(f"{name} {value}" for name, value in NETWORK.items()) + f", cutoff {CUTOFF} Å",
        threads=f"{options.threads} in each process, one process at work at a time",
        dynamics=f"NVE from {options.temperature:g} K, {options.time_step:g} fs, {options.steps} steps in a turn",
    )
    sizes = sorted(options.sizes)
    results: dict[str, Any] = {"network": NETWORK, "threads": options.threads, "sizes": {}}
    targets = []
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        path = Path(directory) / "crystals.xyz"
        ase.io.write(path, [*(crystal(SIZES[size]) for size in sizes), crystal(TINY)])
        options.energy_key, options.forces_key = "energy", "forces"
        settings = settings_of(path, [[index] for index in range(len(sizes) + 1)], options)
        settings["scales"] = [SCALE] * len(settings["species"])
        programs = start({name: modes[name] for name in ("eqgraph", *peers)}, settings, options, stack)
        num_edges = programs[0].described["num_edges"]
        for batch, size in enumerate(sizes):
            found = measure(programs, batch, size, options.turns, options)
            print_rows(size, num_edges[batch], programs, found)
            results["sizes"][size] = {name: vars(dynamics) for name, dynamics in found.items()}
            ours = found[programs[0].name]
            for peer, bound in (("nequip", 8.0), ("mace", 4.0)):
                ratios = [found[program.name].ratio(ours) for program in programs if program.name.startswith(peer)]
                fastest = min((ratio.median for ratio in ratios if ratio), default=None)
                version = VERSIONS["nequip" if peer == "nequip" else "mace-torch"]
                targets.append(Target(f"{size:,} atoms, faster than {peer} {version}", fastest, bound))
            share = ours.neighbor_share
            share = None if share is None else 100 * share
            targets.append(Target(f"{size:,} atoms, neighbor list", share, 10.0, "% of the step", at_least=False))
        growth = None
        if options.memory_steps:
            memory = ask(programs[0], len(sizes), options.memory_steps, options)["memory"]
            results["memory"] = memory
            growth = memory[-1] - memory[len(memory) // 10]
            console.print(f"Memory over {options.memory_steps:,} steps: {memory[0]:.1f} MB to {memory[-1]:.1f} MB")
        targets.append(
            Target(f"growth over {options.memory_steps:,} steps", growth, 2.0, "MB of memory", at_least=False)
        )
    return finish(options.json, described, results, targets, options.check)


if __name__ == "__main__":
    sys.exit(main())
