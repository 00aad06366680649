"""Training steps and energies + forces: eqgraph against NequIP and MACE.

    python benchmarks/train_step.py                          # everything: about 20 minutes, 5 more the first time
    python benchmarks/train_step.py --quick                  # does it run: a minute, once the peers are installed
    python benchmarks/train_step.py --data my_molecules.xyz --batch-size 5 --threads 1 --check

A. Molecules, a batch of --batch-size structures of --data: one training step (energies and forces, loss, backward, Adam with AMSGrad)
   and one prediction of energies and forces. 4 layers, 32 features, lmax 2, parities 0e + 1o + 2e, 8 Bessel functions, radial
   networks [64, 64], cutoff 5 Å, float32.
B. A crystal: energies and forces of 1,000 atoms of a rattled random alloy, periodic, 40 neighbors per atom.

eqgraph and NequIP have the same convolutions; the self-connection of NequIP multiplies features with an embedding of the species as
wide as they are, which has more weights than eqgraph's matrix per species (and its first layer has none), and NequIP always computes
the virial besides the forces. MACE is another architecture at its nearest configuration, see peers/mace_worker.py.

Each program runs in a process of its own, the peers in environments of their own that this script makes (peers/install.py). They take
the PyTorch build that eqgraph has: on Linux, make its environment with the CPU build, or every peer downloads that for GPUs. Neighbor
lists and batches are made before the clock starts. NequIP is timed as it is by default ("eager") and in its fastest ways: its
torch.compile of the training step, and the AOTInductor package that nequip-compile makes for ASE ("aot"). Both take a C++ compiler some
minutes, which are not counted. The targets are against the fastest.

What makes the numbers comparable: the processes take turns, eqgraph, peer, eqgraph, peer ..., so that all see the same weather; the
others are blocked in a read meanwhile; a turn is one untimed call and then --calls timed ones; between turns the driver waits until
OpenMP threads have stopped spinning. Ratios are medians of the ratios of neighboring turns; quartiles are in parentheses. A program
whose edges or forces are wrong (other edges than eqgraph, forces unlike finite differences of its energy) gets no ratio.
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
import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from peers.install import VERSIONS, peer_python
from peers.process import WorkerError, WorkerProcess
from report import Quartiles, Target, arguments, console, finish, machine, print_machine, table

from eqgraph.graph import from_ase, neighbor_list

HERE = Path(__file__).resolve().parent
NETWORK = {
    "num_layers": 4,
    "num_features": 32,
    "lmax": 2,
    "parity": False,
    "num_radial": 8,
    "radial_hidden": [64, 64],
    "cutoff_power": 6,
}
CUTOFF = 5.0  # Å
LEARNING_RATE = 0.001
REST = 0.05  # s between turns: OpenMP threads spin for some milliseconds
PACKAGES = {"nequip": "nequip", "mace": "mace-torch"}
FORCE_TOLERANCE = 0.01  # of the largest force, for float32 networks


@dataclass
class Program:
    """One line of a table: a program in one of its modes, and what was measured."""

    name: str
    process: WorkerProcess | None = None
    described: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    check: dict[str, float] = field(default_factory=dict)
    turns: dict[str, list[list[float]]] = field(default_factory=dict)  # "step" or "infer" -> turns -> seconds
    losses: list[float] = field(default_factory=list)

    def fail(self, problem: str) -> None:
        self.problem, self.process = problem, None
        console.print(f"[yellow]{self.name} is left out: {problem}", soft_wrap=True)

    def quartiles(self, what: str) -> Quartiles | None:
        seconds = [second for turn in self.turns.get(what, []) for second in turn]
        return Quartiles.of(seconds) if seconds and not self.problem else None

    def ratio(self, what: str, ours: Program) -> Quartiles | None:
        """How many times longer than ours, turn by turn."""
        if self.problem or not self.turns.get(what):
            return None
        pairs = zip(self.turns[what], ours.turns[what], strict=True)
        return Quartiles.of([statistics.median(theirs) / statistics.median(our) for theirs, our in pairs])

    def to_json(self, ours: Program) -> dict[str, Any]:
        return {
            "program": self.name,
            **self.described,
            "problem": self.problem,
            "forces_check": self.check,
            "losses": [self.losses[0], self.losses[-1]] if self.losses else [],
            "seconds_by_turn": self.turns,
            "ratio": {what: ratio._asdict() for what in self.turns if (ratio := self.ratio(what, ours))},
        }


def crystal(num_cells: int | tuple[int, int, int], degree: float = 40.0) -> Atoms:
    """A rattled fcc alloy of so many cells of one atom, of a lattice constant such that atoms have so many neighbors on average."""
    generator = np.random.default_rng(0)
    atoms = bulk("Cu", "fcc", a=3.6).repeat(num_cells)
    atoms.numbers = generator.choice([29, 79], len(atoms))
    atoms.positions += generator.normal(scale=0.1, size=(len(atoms), 3))
    small, large = 0.8, 1.4
    for _ in range(30):
        factor = (small + large) / 2
        scaled = atoms.copy()
        scaled.set_cell(atoms.cell * factor, scale_atoms=True)
        positions, cell = torch.tensor(scaled.positions), torch.tensor(scaled.cell.array)
        found = neighbor_list(positions, CUTOFF, cell, scaled.pbc)[0].shape[1] / len(atoms)
        if abs(found - degree) < 0.05:
            break
        small, large = (factor, large) if found > degree else (small, factor)
    return scaled


def settings_of(data: Path, batches: list[list[int]], options: argparse.Namespace) -> dict[str, Any]:
    """What every worker is told: structures, network, and the numbers that the networks take from data."""
    frames = ase.io.read(data, index=":")
    needed = [frames[index] for batch in batches for index in batch]
    graphs = [from_ase(atoms, CUTOFF) for atoms in needed]
    species = sorted({number for atoms in needed for number in atoms.numbers.tolist()})
    labels = [{**atoms.info, **atoms.arrays, **(atoms.calc.results if atoms.calc else {})} for atoms in needed]
    pairs = zip(labels, needed, strict=True)
    energies = [float(label.get(options.energy_key, 0.0)) / len(atoms) for label, atoms in pairs]
    forces = [np.ravel(label[options.forces_key]) for label in labels if options.forces_key in label]
    scale = float(np.sqrt(np.mean(np.concatenate(forces) ** 2))) if forces else 1.0
    return {
        "data": str(data.resolve()),
        "batches": batches,
        "energy_key": options.energy_key,
        "forces_key": options.forces_key,
        "species": species,
        "shifts": [float(np.mean(energies))] * len(species),
        "scales": [scale] * len(species),
        "avg_num_neighbors": sum(graph.num_edges for graph in graphs) / sum(len(atoms) for atoms in needed),
        "cutoff": CUTOFF,
        "network": NETWORK,
        "learning_rate": LEARNING_RATE,
        "threads": options.threads,
    }


def start(
    modes: dict[str, list[str]], settings: dict[str, Any], options: argparse.Namespace, stack: contextlib.ExitStack
) -> list[Program]:
    """All workers with their models built and checked; ours first."""
    programs = []
    for name, its_modes in modes.items():
        for mode in its_modes:
            program = Program(name if mode == "eager" else f"{name} ({mode})")
            programs.append(program)
            script = HERE / "peers" / f"{name}_worker.py"
            try:
                python = sys.executable if name == "eqgraph" else peer_python(PACKAGES[name])
            except RuntimeError as error:
                program.fail(str(error))
                continue
            program.process = stack.enter_context(WorkerProcess(program.name, python, script, options.threads))
            program.process.send(**settings, mode=mode)
    for program in programs:
        if program.problem:
            continue
        try:
            program.described = program.process.receive(options.timeout)
            program.check = program.process.ask(options.timeout, command="check")
        except WorkerError as error:
            program.fail(str(error))
    ours = programs[0]
    for program in programs:
        if program.problem:
            continue
        edges, expected = program.described["num_edges"], ours.described["num_edges"]
        if edges != expected:
            program.fail(f"expected the edges of eqgraph {expected}, came {edges}")
        elif not program.check["difference"] <= FORCE_TOLERANCE * program.check["force"]:
            program.fail(f"expected forces like finite differences of the energy, came {program.check}")
    if ours.problem:
        raise SystemExit(f"eqgraph: {ours.problem}. Nothing below would mean anything.")
    return programs


def measure(programs: list[Program], commands: list[str], turns: int, calls: int, timeout: float) -> None:
    """The workers take turns; one that fails is left out from then on."""
    num_batches = len(programs[0].described["num_edges"])
    for command in commands:
        for turn in range(-1, turns):  # the first turn is not counted: allocations, compilations
            for program in programs:
                if program.problem or (command == "step" and not program.described["trains"]):
                    continue
                time.sleep(REST)
                try:
                    answer = program.process.ask(
                        timeout, command=command, batch=max(turn, 0) % num_batches, calls=calls
                    )
                except WorkerError as error:
                    program.fail(str(error))
                    if program is programs[0]:
                        raise
                    continue
                if turn >= 0:
                    program.turns.setdefault(command, []).append(answer["seconds"])
                if command == "step":
                    program.losses.append(answer["result"])


def print_rows(title: str, programs: list[Program], commands: list[str]) -> None:
    ours, names = programs[0], {"step": "training step", "infer": "energies + forces"}
    columns = ["program", "versions"]
    for command in commands:
        columns += [f"{names[command]}, ms", "times eqgraph"]
    columns += ["threads", "parameters"]
    rows = []
    for program in programs:
        versions = ", ".join(f"{name} {number}" for name, number in program.described.get("versions", {}).items())
        row = [program.name, versions]
        for command in commands:
            seconds, ratio = program.quartiles(command), program.ratio(command, ours)
            if seconds:
                row.append(f"{1000 * seconds.median:.1f} ({1000 * seconds.lower:.1f}-{1000 * seconds.upper:.1f})")
            else:
                row.append("failed" if program.problem else "-")
            row.append(f"{ratio.median:.2f} ({ratio.lower:.2f}-{ratio.upper:.2f})" if ratio else "")
        row += [str(program.described.get(key, "")) for key in ("threads", "num_parameters")]
        rows.append(row)
    table(title, columns, rows)

    rows = []
    for program in programs:
        check = program.check
        error = f"{check['difference']:.1e} of {check['force']:.3f} eV/Å" if check else ""
        loss = f"{program.losses[0]:.3g} → {program.losses[-1]:.3g}" if program.losses else ""
        edges = program.described.get("num_edges", [])
        built = program.described.get("seconds")
        built = "" if built is None else f"{built:.1f} s"
        same = "" if not edges else "same" if edges == ours.described["num_edges"] else "different"
        rows.append([program.name, str(sum(edges)), same, error, loss, built])
    columns = ["program", "edges of all batches", "as eqgraph", "force - difference of energy", "loss", "built in"]
    table("Are these models what they claim to be", columns, rows)


def fastest_ratio(programs: list[Program], name: str, command: str) -> float | None:
    """Against the fastest mode of a program."""
    found = [program.ratio(command, programs[0]) for program in programs if program.name.split(" ")[0] == name]
    return min((ratio.median for ratio in found if ratio), default=None)


def compare(
    title: str,
    modes: dict[str, list[str]],
    settings: dict[str, Any],
    commands: list[str],
    turns: int,
    options: argparse.Namespace,
) -> list[Program]:
    with contextlib.ExitStack() as stack:
        programs = start(modes, settings, options, stack)
        measure(programs, commands, turns, options.calls, options.timeout)
    described = programs[0].described
    per_batch = [f"{sum(described[key]) / len(described[key]):.0f}" for key in ("num_atoms", "num_edges")]
    print_rows(f"{title}: {per_batch[0]} atoms, {per_batch[1]} edges", programs, commands)
    return programs


def main() -> int:
    parser = arguments(__doc__, "runs/benchmarks/train_step.json")
    parser.add_argument("--data", type=Path, default=HERE.parent / "datasets/ethanol/train_300K.xyz", help="molecules")
    parser.add_argument("--energy-key", default="energy")
    parser.add_argument("--forces-key", default="forces")
    parser.add_argument("--batch-size", type=int, default=5, help="structures per training step (default: 5)")
    parser.add_argument("--peers", default="nequip,mace", help="which to compare with (default: nequip,mace)")
    parser.add_argument("--modes", default="eager,compile,aot", help="of NequIP (default: eager,compile,aot)")
    parser.add_argument("--parts", default="A,B", help="A: molecules; B: 1,000 atoms (default: A,B)")
    parser.add_argument("--turns", type=int, help="turns of every program (default: 20, for B 7)")
    parser.add_argument("--calls", type=int, default=3, help="timed calls per turn (default: 3)")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds for one answer (default: 900)")
    options = parser.parse_args()
    peers = [name for name in options.peers.split(",") if name]
    if unknown := set(peers) - {"nequip", "mace"}:
        parser.error(f"expected --peers among nequip, mace, got {', '.join(sorted(unknown))}")
    quick_modes = {"eager"} if options.quick else {"eager", "compile", "aot"}
    modes = [mode for mode in options.modes.split(",") if mode in quick_modes]
    options.calls = 1 if options.quick else options.calls

    described = machine()
    print_machine(
        described,
        network=", ".join(f"{name} {value}" for name, value in NETWORK.items()) + f", cutoff {CUTOFF} Å",
        threads=f"{options.threads} in each process, one process at work at a time",
        data=options.data.name,
    )
    results: dict[str, Any] = {"network": NETWORK, "threads": options.threads, "data": options.data.name}
    step_ratio = infer_ratio = None

    if "A" in options.parts:
        num_batches = 1 if options.quick else 4  # different batches, as in a training
        num_frames = len(ase.io.read(options.data, index=":"))
        indices = np.random.default_rng(0).permutation(num_frames)[: num_batches * options.batch_size].tolist()
        batches = [indices[i::num_batches] for i in range(num_batches)]
        chosen = {"eqgraph": ["eager"], "nequip": [mode for mode in modes if mode != "aot"], "mace": ["eager"]}
        programs = compare(
            f"A. {options.data.stem}, batch of {options.batch_size}",
            {name: chosen[name] for name in ("eqgraph", *peers)},
            settings_of(options.data, batches, options),
            ["step", "infer"],
            options.turns or (3 if options.quick else 20),
            options,
        )
        results["A"] = [program.to_json(programs[0]) for program in programs]
        step_ratio = fastest_ratio(programs, "nequip", "step")

    if "B" in options.parts:
        atoms = crystal(5 if options.quick else 10)
        chosen = {"eqgraph": ["eager"], "nequip": [mode for mode in modes if mode != "compile"], "mace": ["eager"]}
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "crystal.xyz"
            ase.io.write(path, atoms)
            programs = compare(
                "B. rattled alloy, periodic",
                {name: chosen[name] for name in ("eqgraph", *peers) if not (options.quick and name == "mace")},
                settings_of(path, [[0]], options),
                ["infer"],
                options.turns or (2 if options.quick else 7),
                options,
            )
        results["B"] = [program.to_json(programs[0]) for program in programs]
        infer_ratio = fastest_ratio(programs, "nequip", "infer")

    nequip = f"NequIP {VERSIONS['nequip']}"
    size = "125 atoms (1,000 without --quick)" if options.quick else "1,000 atoms"
    targets = [
        Target(f"training step, faster than {nequip}", step_ratio, 8.0),
        Target(f"energies + forces of {size}, faster than {nequip}", infer_ratio, 10.0),
    ]
    return finish(options.json, described, results, targets, options.check)


if __name__ == "__main__":
    sys.exit(main())
