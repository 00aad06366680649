"""Memory and loading rate of data sets that are not held in memory.

    python benchmarks/large_data.py --frames 1000 10000 100000 --folder /tmp/large

Makes structures of 20 atoms with random labels, prepares them (`eqgraph prepare`), then reads them in a process of its own per row
of the table: the time until PotentialData is ready, graphs per second through the loader (batches of 20000 edges), and the peak of
the resident memory after a tiny network was trained for some steps.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

NUM_ATOMS = 20
SOURCES = ("prepared", "xyz", "memory")


def write_frames(path: Path, num_frames: int) -> None:
    """Shaken grids of H, C and O with random energies and forces."""
    rng = np.random.default_rng(0)
    grid = 1.6 * np.array([(x, y, z) for x in range(3) for y in range(3) for z in range(3)], dtype=float)[:NUM_ATOMS]
    symbols = np.array(["H", "C", "O"])
    with path.open("w") as file:
        for _ in range(num_frames):
            pos = grid + rng.normal(scale=0.1, size=(NUM_ATOMS, 3))
            forces = rng.normal(size=(NUM_ATOMS, 3))
            kinds = rng.choice(symbols, NUM_ATOMS)
            file.write(
                f'{NUM_ATOMS}\nProperties=species:S:1:pos:R:3:forces:R:3 energy={rng.normal():.6f} pbc="F F F"\n'
            )
            for kind, atom, force in zip(kinds, pos, forces, strict=True):
                file.write(f"{kind} {' '.join(f'{x:.6f}' for x in (*atom, *force))}\n")


def measured(command: str) -> tuple[float, float, str]:
    """Seconds, peak resident memory in MB (of the process and of each of its own), standard output."""
    start = time.perf_counter()
    process = subprocess.Popen(command.split(), stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with exit code {process.returncode}.")
    return time.perf_counter() - start, usage.ru_maxrss / 1024, output


def train(data: str, in_memory: str, workers: int, steps: int, graphs: int, cutoff: float) -> None:
    """The body of a measured process: prints numbers as JSON."""
    import torch

    from eqgraph.train import parse_config
    from eqgraph.train.potential.data import PotentialData
    from eqgraph.train.tasks import TASKS

    torch.set_num_threads(1)
    config = parse_config(
        {
            "data": {
                "train": data,
                "valid": 0.1,
                "in_memory": {"true": True, "false": False}.get(in_memory, in_memory),
            },
            "model": {
                "num_layers": 1,
                "num_features": 4,
                "lmax": 1,
                "num_radial": 4,
                "radial_hidden": [8],
                "cutoff": cutoff,
            },
            "training": {"output": "unused", "batch_edges": 20_000, "workers": workers, "device": "cpu"},
        }
    )
    start = time.perf_counter()
    prepared = PotentialData(config)
    ready = time.perf_counter() - start
    loader = prepared.train_dataloader()
    seen, start = 0, None
    for batch in loader:
        start = start or time.perf_counter()  # not the start of the workers
        seen += batch.num_graphs
        if seen >= graphs:
            break
    rate = seen / (time.perf_counter() - start)
    task = TASKS["potential"]
    potential = task.build(config, prepared)
    module = task.module(config, prepared, potential, steps, lambda: 0.0)
    optimizer = torch.optim.Adam(potential.parameters())
    done = 0
    while done < steps:
        for batch in loader:
            optimizer.zero_grad()
            module.loss_of(batch).backward()
            optimizer.step()
            done += 1
            if done == steps:
                break
    print(json.dumps({"ready_s": ready, "graphs_per_s": rate, "edges": prepared.edges_per_step}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=["prepared"])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--prepare-workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--graphs", type=int, default=10_000, help="graphs after which the loading rate is taken")
    parser.add_argument("--cutoff", type=float, default=4.0)
    parser.add_argument("--folder", type=Path, default=Path("large_data"))
    parser.add_argument("--train", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        data, in_memory, workers = arguments.train
        train(data, in_memory, int(workers), arguments.steps, arguments.graphs, arguments.cutoff)
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print("frames   source    workers  ready (s)  graphs/s  peak (MB)", flush=True)
    for num_frames in arguments.frames:
        xyz = arguments.folder / f"frames_{num_frames}.xyz"
        prepared = arguments.folder / f"prepared_{num_frames}"
        if not xyz.exists():
            write_frames(xyz, num_frames)
        shutil.rmtree(prepared, ignore_errors=True)
        seconds, peak, _ = measured(
            f"{sys.executable} -m eqgraph.cli prepare {xyz} --output {prepared} --cutoff {arguments.cutoff} "
            f"--workers {arguments.prepare_workers}"
        )
        print(
            f"{num_frames:<8} prepare   {arguments.prepare_workers:<8} {'':<10} {num_frames / seconds:<9.0f} {peak:.0f}",
            flush=True,
        )
        for source in arguments.sources:
            data = str(prepared if source == "prepared" else xyz)
            in_memory = {"prepared": "auto", "xyz": "false", "memory": "true"}[source]
            for workers in arguments.workers:
                _, peak, output = measured(
                    f"{sys.executable} {__file__} --steps {arguments.steps} --graphs {arguments.graphs} --cutoff {arguments.cutoff} "
                    f"--train {data} {in_memory} {workers}"
                )
                found = json.loads(output.splitlines()[-1])
                print(
                    f"{num_frames:<8} {source:<9} {workers:<8} {found['ready_s']:<10.1f} {found['graphs_per_s']:<9.0f} {peak:.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
