"""How long until the first answer: import, construction and first steps, with an empty and with a full kernel cache.

    python benchmarks/first_call.py             # 2 minutes
    python benchmarks/first_call.py --quick

A NequIP network of 4 layers, 32 features, lmax 2 on a batch of 5 structures of --data. Every row is a fresh process. "cold": the
directory of compiled kernels (EQGRAPH_CACHE_DIR) is new and empty; "warm": it is the one that the cold process has filled. "train"
takes training steps, "predict" predicts energies and forces. What kernels cost is the first step less the median of the following
ones; that includes whatever else PyTorch does once, so it is an upper bound.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import Target, arguments, finish, machine, print_machine, table

NETWORK = {"num_layers": 4, "num_features": 32, "lmax": 2}
CUTOFF, BATCH_SIZE, STEPS = 5.0, 5, 8
TASKS = ("train", "predict")


def work(task: str, data: str, threads: int) -> dict[str, Any]:
    """Measure one process: this one, which has imported nothing heavy yet."""
    seconds, clock = {}, time.perf_counter
    start = clock()
    import torch

    seconds["import torch"], start = clock() - start, clock()
    import ase.io
    from torch_geometric.data import Batch

    from eqgraph.graph import from_ase
    from eqgraph.models import build_potential
    from eqgraph.train import Loss

    seconds["import eqgraph.train"], start = clock() - start, clock()
    torch.set_num_threads(threads)
    graphs = []
    for atoms in ase.io.read(data, index=f":{BATCH_SIZE}"):
        graph = from_ase(atoms, CUTOFF)
        graph.energy = torch.tensor([atoms.get_potential_energy()], dtype=torch.float64)
        graph.forces = torch.tensor(atoms.get_forces())
        graphs.append(graph)
    batch = Batch.from_data_list(graphs)
    species = sorted(set(batch.atomic_numbers.tolist()))
    seconds["graphs"], start = clock() - start, clock()
    degree = batch.num_edges / batch.num_nodes
    potential = build_potential("nequip", NETWORK, species, CUTOFF, [0.0] * len(species), [1.0] * len(species), degree)
    optimizer, loss = torch.optim.Adam(potential.parameters(), lr=0.001), Loss()
    seconds["build"] = clock() - start

    potential.train(task == "train")
    steps = []
    for _ in range(STEPS):
        start = clock()
        prediction = potential(batch, forces=True)
        if task == "train":
            optimizer.zero_grad()
            loss(prediction, batch).backward()
            optimizer.step()
        steps.append(clock() - start)
    later = statistics.median(steps[1:])
    return seconds | {"first step": steps[0], "later steps": later, "once": steps[0] - later}


def ask(task: str, cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One fresh process with this directory for kernels."""
    command = [
        sys.executable,
        __file__,
        "--worker",
        task,
        "--data",
        str(options.data),
        "--threads",
        str(options.threads),
    ]
    start = time.perf_counter()
    environment = os.environ | {"EQGRAPH_CACHE_DIR": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    total = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{task}: {done.stderr.strip()[-1000:]}")
    kernels = [path for path in cache.rglob("*") if path.is_file()]
    answer = json.loads(done.stdout.splitlines()[-1])
    size = sum(path.stat().st_size for path in kernels)
    return answer | {"process": total, "num_kernels": len(kernels), "kernel_bytes": size}


def main() -> int:
    parser = arguments(__doc__, "runs/benchmarks/first_call.json")
    default = Path(__file__).resolve().parent.parent / "datasets/ethanol/train_300K.xyz"
    parser.add_argument("--data", type=Path, default=default, help="molecules with energies and forces")
    parser.add_argument("--repeat", type=int, help="processes of each kind (default: 3)")
    parser.add_argument("--worker", choices=TASKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(options.worker, str(options.data), options.threads)))
        return 0

    described = machine()
    print_machine(described, threads=options.threads, data=options.data.name)
    repeat = options.repeat or (1 if options.quick else 3)
    results: dict[str, list[dict[str, Any]]] = {f"{task}, {kind}": [] for task in TASKS for kind in ("cold", "warm")}
    for _ in range(repeat):
        for task in TASKS:
            with tempfile.TemporaryDirectory() as directory:
                for kind in ("cold", "warm"):
                    results[f"{task}, {kind}"].append(ask(task, Path(directory), options))

    columns = [name for name in results["train, cold"][0] if name not in ("num_kernels", "kernel_bytes")]
    rows = []
    for name, measured in results.items():
        medians = [statistics.median(row[column] for row in measured) for column in columns]
        cached = f"{measured[-1]['num_kernels']}, {measured[-1]['kernel_bytes'] / 1e6:.1f} MB"
        rows.append([name, *(f"{value:.3f}" for value in medians), cached])
    table(f"Seconds, median of {repeat} fresh processes", ["", *columns, "kernels on disk"], rows)

    def worst(kind: str) -> float:
        return max(statistics.median(row["once"] for row in results[f"{task}, {kind}"]) for task in TASKS)

    targets = [
        Target("first step less a later one, empty cache", worst("cold"), 30.0, "s", at_least=False),
        Target("first step less a later one, full cache", worst("warm"), 0.5, "s", at_least=False),
    ]
    return finish(options.json, described, {"threads": options.threads, "processes": results}, targets, options.check)


if __name__ == "__main__":
    sys.exit(main())
