"""Normalizations, dropout: forward and backward of every class, and BatchNorm against e3nn's.

    python benchmarks/norms.py             # 2 minutes; needs `pip install e3nn`
    python benchmarks/norms.py --quick

10,000 nodes of "64x0e + 64x1o + 64x2e" in 100 graphs, float32, training mode. Rounds visit all layers one after another, so that all
see the same weather; within a round a layer is called once untimed, then three times. Ratios are medians over rounds.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable

import torch
from report import Quartiles, Target, arguments, console, finish, machine, print_machine, table
from torch import Tensor

from eqgraph import nn
from eqgraph.allocator import keep_freed_memory
from eqgraph.nn import dropout, norm
from eqgraph.o3 import Irreps

IRREPS = "64x0e + 64x1o + 64x2e"
OPTIONS = {
    "HeteroBatchNorm": {"num_types": 4},
    "HeteroLayerNorm": {"num_types": 4},
    "SyncHeteroBatchNorm": {"num_types": 4},
    "GroupNorm": {"num_groups": 8},
    "DiffGroupNorm": {"groups": 4},
    "LocalResponseNorm": {"size": 5},
    "AvgNumNeighborsNorm": {"avg_num_neighbors": 12.0},
    "DropPath": {"p": 0.5},
    "GraphDropPath": {"p": 0.5},
}
"""Arguments that a class has no default for, or whose default leaves nothing to do."""
WITHOUT_MEANING = ("LazyBatchNorm", "LazyInstanceNorm", "Norm")  # become another class, or are none


def layers() -> dict[str, torch.nn.Module]:
    """One of each class."""
    built = {}
    for name in (*norm.__all__, *dropout.__all__):
        cls = getattr(nn, name)
        if isinstance(cls, type) and issubclass(cls, torch.nn.Module) and name not in WITHOUT_MEANING:
            built[name] = cls(IRREPS, **OPTIONS.get(name, {}))
    return built


def call(name: str, layer: torch.nn.Module, x: Tensor, batch: Tensor, graphs: int) -> Callable[[], None]:
    """Forward and backward of a layer."""
    inputs, options = [x], {"batch": batch, "batch_size": graphs}
    if "Hetero" in name:
        inputs.append(torch.arange(len(x)) % 4)
    elif name == "MessageNorm":
        inputs.append(x.detach().roll(1, 0))
    elif name == "e3nn BatchNorm":
        options = {}
    seed = torch.randn_like(x)
    wanted = [x, *(parameter for parameter in layer.parameters() if parameter.requires_grad)]

    def run() -> None:
        torch.autograd.grad(layer(*inputs, **options), wanted, seed, allow_unused=True)

    return run


def main() -> int:
    parser = arguments(__doc__, "runs/benchmarks/norms.json")
    parser.add_argument("--rounds", type=int, help="rounds over all layers (default: 15)")
    options = parser.parse_args()
    keep_freed_memory()  # as `eqgraph train` does; for all layers, e3nn's too
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    described = machine()
    nodes, graphs = (1000, 10) if options.quick else (10_000, 100)
    print_machine(described, threads=options.threads, features=f"{nodes:,} nodes of {IRREPS}, {graphs} graphs")
    contenders = layers()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from e3nn import nn as e3nn_nn
        contenders["e3nn BatchNorm"] = e3nn_nn.BatchNorm(IRREPS)
    except ImportError:
        console.print("[yellow]e3nn is not installed: pip install e3nn. Its row is left out.")
    x = Irreps(IRREPS).randn(nodes, -1).requires_grad_()
    batch = torch.randint(graphs, (nodes,)).sort().values
    calls = {name: call(name, layer, x, batch, graphs) for name, layer in contenders.items()}

    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(-1, options.rounds or (3 if options.quick else 15)):
        for name, run in calls.items():
            run()
            start = time.perf_counter()
            for _ in range(3):
                run()
            if number >= 0:  # the first round is not counted
                seconds[name].append((time.perf_counter() - start) / 3)
    ours = seconds["BatchNorm"]
    ratios = {
        name: statistics.median(one / our for one, our in zip(its, ours, strict=True)) for name, its in seconds.items()
    }
    rows, results = [], {}
    for name, its in sorted(seconds.items(), key=lambda item: statistics.median(item[1])):
        quartiles = Quartiles.of([1e3 * value for value in its])
        rows.append(
            (name, f"{quartiles.median:.1f} ({quartiles.lower:.1f}-{quartiles.upper:.1f})", f"{ratios[name]:.2f}")
        )
        results[name] = {"seconds": its, "ratio": ratios[name]}
    table("Forward + backward", ("layer", f"ms per {nodes:,} nodes", "times BatchNorm"), rows)
    targets = [Target("BatchNorm, faster than e3nn's", ratios.get("e3nn BatchNorm"), 3)]
    targets += [
        Target(f"{name}, time of BatchNorm's", ratio, 2, at_least=False)
        for name, ratio in sorted(ratios.items())
        if name not in ("BatchNorm", "e3nn BatchNorm")
    ]
    return finish(options.json, described, {"layers": results}, targets, options.check)


if __name__ == "__main__":
    raise SystemExit(main())
