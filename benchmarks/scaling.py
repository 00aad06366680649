"""Time per edge and peak memory from 100 to 1,000,000 edges.

    python benchmarks/scaling.py             # about 15 minutes, 16 GB of memory
    python benchmarks/scaling.py --quick     # does it run: up to 10,000 edges, under a minute

Three things on a periodic fcc crystal, in which every atom has 42 neighbors within 5 Å:

- conv: forward and backward (with respect to node features, harmonics, radial features and weights) of eqgraph.nn.TensorProductConv
  for "64x0e + 64x1o + 64x2e", lmax 2, natural parities, radial network [8, 64, 64, 704]; float32;
- e3nn: the same with e3nn, peers/e3nn_conv.py (needs `pip install e3nn`); both are first compared on the same weights;
- potential: energies and forces of a NequIP network of 4 such layers.

Every size runs in a process of its own, which keeps the memory that it frees, as in `eqgraph train`. Peak
memory is what that process holds at most during one call (resource.getrusage), less what it held before: libraries, inputs and weights
do not count. Time is the median of the calls after that one. Sizes that would not fit into the memory are left out; e3nn's memory at
400,000 edges is then the straight line through its two largest sizes, and said to be so.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from report import Target, arguments, console, finish, machine, print_machine, table

from eqgraph.allocator import keep_freed_memory

SIZES = (100, 1_000, 10_000, 40_000, 100_000, 400_000, 1_000_000)
MEMORY_SIZE = 400_000
FLAT_FROM = 10_000
CUTOFF, DEGREE = 5.0, 42
CHANNELS = 64
IRREPS, IRREPS_SH = f"{CHANNELS}x0e + {CHANNELS}x1o + {CHANNELS}x2e", "0e + 1o + 2e"
NETWORK = {"num_layers": 4, "num_features": 32, "lmax": 2}
TITLES = {
    "conv": "eqgraph conv, forward + backward",
    "e3nn": "e3nn conv, forward + backward",
    "potential": "eqgraph E + F",
}
ENOUGH = {False: (10, 6.0), True: (3, 1.0)}  # --quick -> calls at most, seconds at most
FULL = 0.7  # of the free memory


def crystal(num_edges: int):
    """The graph of an fcc crystal with about so many edges, and the number of edges."""
    import numpy as np
    from ase.build import bulk

    from eqgraph.graph import from_ase

    num_atoms = max(1, num_edges / DEGREE)
    side = max(1, round(num_atoms ** (1 / 3)))
    atoms = bulk("Cu", "fcc", a=3.61).repeat((side, side, max(1, round(num_atoms / side**2))))
    atoms.positions += np.random.default_rng(0).normal(scale=0.01, size=atoms.positions.shape)
    return from_ase(atoms, CUTOFF)


def conv_call(what: str, num_edges: int):
    """The crystal's edges, and a function that runs forward and backward of a convolution."""
    import torch

    from eqgraph.graph import edge_vectors
    from eqgraph.nn import BesselBasis, PolynomialCutoff
    from eqgraph.o3 import spherical_harmonics

    data = crystal(num_edges)
    edge_vec = edge_vectors(data.pos, data.cell, data.edge_index, data.edge_shift).float()
    edge_len = edge_vec.norm(dim=-1)
    edge_sh = spherical_harmonics([0, 1, 2], edge_vec, normalize=True, normalization="component").requires_grad_()
    edge_radial = BesselBasis(8, CUTOFF)(edge_len) * PolynomialCutoff(CUTOFF, 6)(edge_len).unsqueeze(-1)
    edge_radial = edge_radial.detach().requires_grad_()
    conv = _conv(what)
    x = torch.randn(data.num_nodes, 9 * CHANNELS, requires_grad=True)
    inputs = (x, edge_sh, edge_radial, *conv.parameters())

    def call() -> tuple:
        out = conv(x, data.edge_index, edge_sh, edge_radial)
        return out, *torch.autograd.grad(out, inputs, torch.ones_like(out))

    return data.num_edges, call


def potential_call(num_edges: int):
    """The crystal's edges, and a function that predicts energy and forces."""
    from eqgraph.models import build_potential

    data = crystal(num_edges)
    potential = build_potential("nequip", NETWORK, [29], CUTOFF, [0.0], [1.0], float(DEGREE)).eval()
    for parameter in potential.parameters():
        parameter.requires_grad_(False)
    return data.num_edges, lambda: potential(data, forces=True)


def _conv(what: str):
    import torch

    torch.manual_seed(0)
    numbers = {"num_radial": 8, "radial_hidden": (64, 64), "avg_num_neighbors": float(DEGREE)}
    if what == "e3nn":
        from peers.e3nn_conv import E3nnConv

        return E3nnConv(IRREPS, IRREPS_SH, IRREPS_SH, **numbers)
    from eqgraph.nn import TensorProductConv

    return TensorProductConv(IRREPS, IRREPS_SH, IRREPS_SH, **numbers)


def difference() -> float:
    """Largest difference between eqgraph and e3nn in outputs and gradients, relative to the largest number of each.

    With one radial network for both: e3nn estimates the constants of activations by chance, 1e-3 from the exact ones of eqgraph.
    """
    import torch

    ours, theirs = _conv("conv"), _conv("e3nn")
    theirs.radial = ours.radial
    edge_index, seeds = torch.randint(20, (2, 200)), torch.randn(20, ours.irreps_out.dim)
    inputs = [
        tensor.requires_grad_() for tensor in (torch.randn(20, 9 * CHANNELS), torch.randn(200, 9), torch.randn(200, 8))
    ]
    results = []
    for conv in (ours, theirs):
        out = conv(inputs[0], edge_index, *inputs[1:])
        results.append((out, *torch.autograd.grad(out, [*inputs, *ours.radial.parameters()], seeds)))
    pairs = zip(*results, strict=True)
    return max(((our - their).abs().max() / their.abs().max()).item() for our, their in pairs)


def work(what: str, num_edges: int, threads: int, quick: bool) -> dict[str, Any]:
    """Measure one size, in this process."""
    import torch

    keep_freed_memory()  # for both programs
    torch.set_num_threads(threads)
    build = potential_call if what == "potential" else lambda edges: conv_call(what, edges)
    build(100)[1]()  # libraries, kernels
    num_edges, call = build(num_edges)
    gc.collect()
    before = _reset_peak()
    result = call()
    memory = max(_peak() - before, 0)
    del result
    seconds, (calls, limit) = [], ENOUGH[quick]
    while len(seconds) < 2 or (len(seconds) < calls and sum(seconds) < limit):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {"edges": num_edges, "seconds": statistics.median(seconds), "all_seconds": seconds, "bytes": memory}


def _peak() -> int:
    """Most memory [bytes] that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _reset_peak() -> int:
    """Memory [bytes] held now, with the peak set back to it where the system allows that (Linux); otherwise the peak so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _peak()


def ask(*arguments: str) -> Any:
    """What this script prints when it is started anew with these arguments; None if it is killed."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True)
    if done.returncode < 0:
        return None
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr.strip()[-1000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def free_memory() -> float:
    """Bytes that can be had without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def measure(what: str, sizes: list[int], options: argparse.Namespace) -> list[dict[str, Any]]:
    """All sizes that fit into the memory."""
    rows: list[dict[str, Any]] = []
    for size in sizes:
        if rows and rows[-1]["bytes"] / rows[-1]["edges"] * size > FULL * free_memory():
            console.print(f"{TITLES[what]}: {size:,} edges left out, they would not fit into the memory.")
            break
        row = ask(
            "--worker", what, "--edges", str(size), "--threads", str(options.threads), *["--quick"] * options.quick
        )
        if row is None:
            console.print(f"{TITLES[what]}: {size:,} edges left out, the process was killed; too little memory?")
            break
        rows.append(row)
    return rows


def memory_at(rows: list[dict[str, Any]], num_edges: int) -> tuple[float, bool]:
    """Bytes at a number of edges, by the straight line through the two nearest sizes, and whether that is an extrapolation."""
    beyond = num_edges > 1.1 * rows[-1]["edges"]
    below, above = sorted(sorted(rows, key=lambda row: abs(row["edges"] - num_edges))[:2], key=lambda row: row["edges"])
    slope = (above["bytes"] - below["bytes"]) / (above["edges"] - below["edges"])
    return above["bytes"] + slope * (num_edges - above["edges"]), beyond


def spread(rows: list[dict[str, Any]]) -> float | None:
    """How much longer [%] the slowest edge takes than the fastest, among the sizes that should be alike."""
    times = [row["seconds"] / row["edges"] for row in rows if row["edges"] > 0.9 * FLAT_FROM]
    return 100 * (max(times) / min(times) - 1) if len(times) > 1 and rows[-1]["edges"] > 900_000 else None


def plot(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Time per edge and peak memory against the number of edges."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    for color, (what, rows) in zip(("C0", "C1", "C2"), results.items(), strict=False):
        edges = [row["edges"] for row in rows]
        left.plot(edges, [1e6 * row["seconds"] / row["edges"] for row in rows], "o-", color=color, label=TITLES[what])
        right.plot(edges, [row["bytes"] / 1e6 for row in rows], "o-", color=color, label=TITLES[what])
        wanted = max(row["edges"] for each in results.values() for row in each)
        if len(rows) > 1 and wanted > 1.1 * edges[-1]:
            bytes_wanted, _ = memory_at(rows, wanted)
            right.plot([edges[-1], wanted], [rows[-1]["bytes"] / 1e6, bytes_wanted / 1e6], ":", color=color)
    left.set(xscale="log", yscale="log", xlabel="edges", ylabel="time per edge (µs)")
    right.set(xscale="log", yscale="log", xlabel="edges", ylabel="peak memory (MB), dotted: extrapolated")
    for axis in (left, right):
        axis.grid(True, color="0.9")
    left.legend(frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main() -> int:
    parser = arguments(__doc__, "runs/benchmarks/scaling.json")
    parser.add_argument("--plot", type=Path, help="PNG (default: beside the JSON file)")
    parser.add_argument("--only", default="conv,e3nn,potential", help="which of conv, e3nn, potential")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--edges", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        answer = (
            difference()
            if options.worker == "difference"
            else work(options.worker, options.edges, options.threads, options.quick)
        )
        print(json.dumps(answer))
        return 0

    chosen = options.only.split(",")
    if unknown := set(chosen) - set(TITLES):
        parser.error(f"expected --only among {', '.join(TITLES)}, got {', '.join(sorted(unknown))}")
    described = machine()
    print_machine(described, threads=options.threads, channels=f"{IRREPS}, edges {IRREPS_SH}, 11 paths")
    agreement = None
    if "e3nn" in chosen:
        agreement = ask("--worker", "difference")
        console.print(
            f"eqgraph and e3nn, same weights: outputs and gradients differ by at most {agreement:.1e}, relative"
        )
        if not agreement < 1e-4:
            raise SystemExit(f"Expected the same numbers from eqgraph and e3nn, came a difference of {agreement:.1e}.")
    sizes = [1_000, 10_000] if options.quick else list(SIZES)
    results = {what: measure(what, sizes, options) for what in TITLES if what in chosen}

    rows = [
        (
            TITLES[what] if index == 0 else "",
            f"{row['edges']:,}",
            f"{1000 * row['seconds']:.3g}",
            f"{1e6 * row['seconds'] / row['edges']:.3g}",
            f"{row['bytes'] / 1e6:.1f}",
            f"{row['bytes'] / row['edges'] / 1000:.2f}",
        )
        for what, measured in results.items()
        for index, row in enumerate(measured)
    ]
    table("Scaling", ("", "edges", "ms", "µs per edge", "peak memory, MB", "kB per edge"), rows)

    ratio = None
    if all(len(results.get(what, ())) > 1 for what in ("conv", "e3nn")):
        (ours, our_guess), (theirs, their_guess) = (memory_at(results[what], MEMORY_SIZE) for what in ("conv", "e3nn"))
        ratio = theirs / ours if ours > 0 else None
        for name, number, guess in (("eqgraph", ours, our_guess), ("e3nn", theirs, their_guess)):
            how = "EXTRAPOLATED linearly from smaller sizes, not measured" if guess else "measured"
            console.print(f"Peak memory of {name} at {MEMORY_SIZE:,} edges: {number / 1e9:.2f} GB, {how}")
    image = options.plot or options.json.with_suffix(".png")
    plot(results, image)
    console.print(f"Plot: {image}", soft_wrap=True)
    targets = [Target(f"memory of conv at {MEMORY_SIZE:,} edges, less than e3nn", ratio, 10.0)]
    for what in ("conv", "potential"):
        name = f"{TITLES[what]}: time per edge from {FLAT_FROM:,} to {max(SIZES):,} edges, slowest over fastest"
        targets.append(Target(name, spread(results.get(what, [])), 20.0, "% more", at_least=False))
    content = {"threads": options.threads, "difference_from_e3nn": agreement, "sizes": results}
    return finish(options.json, described, content, targets, options.check)


if __name__ == "__main__":
    sys.exit(main())
