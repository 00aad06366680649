"""Point clouds: how long training and graphs take, and what others need for the same.

    python benchmarks/pointclouds.py             # 3 minutes; needs `pip install e3nn`
    python benchmarks/pointclouds.py --quick
    python benchmarks/pointclouds.py --check     # exit with status 1 if a target is missed

Training steps of a tensor field network against the same network made of e3nn's parts, with the same weights. Then graphs of 32 times
1,024 random points in the unit ball, float32; others find the same neighbors, without rules for ties. Rounds visit all contenders one
after another, so that all see the same weather; a contender is called once untimed, then three times.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from e3nn_tensor_field_network import e3nn_twin
from report import Quartiles, Target, arguments, console, finish, machine, print_machine, table
from scipy.spatial import cKDTree
from torch import Tensor

from eqgraph import graph
from eqgraph.allocator import keep_freed_memory
from eqgraph.models import build_classifier

NEIGHBORS, PICKED, RADIUS = 20, 256, 0.29
"""The radius is one within which a point has 20 neighbors on average."""
BOUNDS = {"knn_graph": 20, "radius_graph": 30, "fps": 20}
"""Milliseconds for 32 clouds of 1,024 points on 2 cores."""

NETWORK_POINTS = [128, 64, 32]
TOLERANCE = 1e-6

Calls = dict[tuple[str, str], Callable[[], Any]]
Section = tuple[dict[str, Any], list[Target]]


def in_a_ball(clouds: int, points: int) -> Tensor:
    """(clouds, points, 3) random points of the unit ball."""
    direction = torch.nn.functional.normalize(torch.randn(clouds, points, 3), dim=-1)
    return direction * torch.rand(clouds, points, 1) ** (1 / 3)


def geometry_calls(clouds: Tensor, threads: int) -> Calls:
    """(operation, who) -> what is timed."""
    number, size, _ = clouds.shape
    pos, batch = clouds.flatten(0, 1), torch.arange(number).repeat_interleave(size)
    arrays, picked = list(clouds.numpy()), min(PICKED, size)

    def torch_knn() -> None:
        torch.cdist(clouds, clouds).topk(NEIGHBORS + 1, largest=False)

    def torch_radius() -> None:
        (torch.cdist(clouds, clouds) < RADIUS).nonzero()

    def torch_fps() -> None:
        rows, current = torch.arange(number), torch.zeros(number, dtype=torch.int64)
        nearest = torch.full((number, size), torch.inf)
        for _ in range(picked):
            squares = (clouds - clouds[rows, current][:, None]).square().sum(-1)
            nearest = torch.minimum(nearest, squares)
            current = nearest.argmax(1)

    return {
        ("knn_graph", "eqgraph"): lambda: graph.knn_graph(pos, NEIGHBORS, batch),
        ("knn_graph", "scipy cKDTree"): lambda: [
            cKDTree(array).query(array, NEIGHBORS + 1, workers=threads) for array in arrays
        ],
        ("knn_graph", "torch cdist + topk"): torch_knn,
        ("radius_graph", "eqgraph"): lambda: graph.radius_graph(pos, RADIUS, batch),
        ("radius_graph", "scipy cKDTree"): lambda: [
            cKDTree(array).query_pairs(RADIUS, output_type="ndarray") for array in arrays
        ],
        ("radius_graph", "torch cdist"): torch_radius,
        ("fps", "eqgraph"): lambda: graph.fps(pos, batch, num=picked),
        ("fps", "torch, one step for all clouds"): torch_fps,
        ("nearest", "eqgraph"): lambda: graph.nearest(pos, pos[::4], batch, batch[::4]),
        ("voxel_grid", "eqgraph"): lambda: graph.voxel_grid(pos, 0.2, batch),
    }


def milliseconds(calls: Calls, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Times of all calls, one per round."""
    times: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for number in range(-1, rounds):
        for key, call in calls.items():
            call()
            start = time.perf_counter()
            for _ in range(3):
                call()
            if number >= 0:  # the first round is not counted
                times[key].append((time.perf_counter() - start) / 3 * 1e3)
    return times


def geometry(options: argparse.Namespace) -> Section:
    """Graphs of clouds."""
    number, size = (4, 256) if options.quick else (32, 1024)
    times = milliseconds(
        geometry_calls(in_a_ball(number, size), options.threads), options.rounds or (3 if options.quick else 15)
    )
    rows, targets = [], []
    for (operation, who), its in times.items():
        quartiles = Quartiles.of(its)
        shown = f"{quartiles.median:.2f} ({quartiles.lower:.2f}-{quartiles.upper:.2f})"
        rows.append(
            (operation, who, shown, f"{quartiles.median / Quartiles.of(times[operation, 'eqgraph']).median:.1f}")
        )
        if who == "eqgraph" and operation in BOUNDS:
            measured = None if options.quick else quartiles.median
            targets.append(
                Target(f"{operation} of 32 x 1,024 points", measured, BOUNDS[operation], "ms", at_least=False)
            )
    table(f"Graphs of {number} x {size:,} points", ("operation", "who", "ms", "times eqgraph"), rows)
    return {"geometry": {f"{operation}, {who}": its for (operation, who), its in times.items()}}, targets


def network(options: argparse.Namespace) -> Section:
    """Training steps of a classifier: graphs (ours in both), forward, backward, optimizer."""
    number, size = (4, 64) if options.quick else (32, 256)
    config = {"normalization": "batch", "num_points": NETWORK_POINTS, "num_neighbors": [32, 24, 16]}
    model = build_classifier("tensor_field_network", config, num_classes=10)
    models = {"eqgraph": model}
    try:
        models["e3nn"] = e3nn_twin(model)
    except ImportError:
        console.print("[yellow]e3nn is not installed: pip install e3nn. Its row is left out.")
    pos = torch.nn.functional.normalize(torch.randn(number * size, 3), dim=1)  # surfaces, as of scanned objects
    batch = torch.arange(number).repeat_interleave(size)
    labels = torch.arange(number) % 10
    error = parity(models, pos, batch, number) if "e3nn" in models else None

    def steps(model: torch.nn.Module) -> Callable[[], None]:
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

        def step() -> None:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(pos, batch, None, number), labels).backward()
            optimizer.step()

        return step

    calls = {("training step", who): steps(each) for who, each in models.items()}
    times = milliseconds(calls, options.rounds or (2 if options.quick else 7))
    ours = times["training step", "eqgraph"]
    rows, ratios = [], {}
    for (_, who), its in times.items():
        quartiles = Quartiles.of(its)
        ratios[who] = statistics.median(one / our for one, our in zip(its, ours, strict=True))
        shown = f"{quartiles.median:.0f} ({quartiles.lower:.0f}-{quartiles.upper:.0f})"
        rows.append((who, shown, f"{1e3 * number / quartiles.median:.0f}", f"{ratios[who]:.1f}"))
    title = f"Training of a tensor field network, {number} clouds of {size} points"
    table(title, ("who", "ms per step", "clouds per second", "times eqgraph"), rows)
    if error is not None:
        console.print(f"Scores differ by {error:.0e} of the largest, in float64.")
    valid = error is not None and error < TOLERANCE and not options.quick
    targets = [Target("training steps, faster than e3nn", ratios["e3nn"] if valid else None, 10)]
    return {"network": {who: its for (_, who), its in times.items()}, "error": error}, targets


def parity(models: dict[str, torch.nn.Module], pos: Tensor, batch: Tensor, number: int) -> float:
    """Largest difference of the scores in evaluation, relative to the largest score, in float64."""
    scores = [
        copy.deepcopy(model).double().eval()(pos.double(), batch, None, number).detach() for model in models.values()
    ]
    return ((scores[0] - scores[1]).abs().max() / scores[0].abs().max()).item()


SECTIONS: list[Callable[[argparse.Namespace], Section]] = [network, geometry]
"""In this order: matrices of distances, which the others need for graphs, leave the heap of the process in pieces."""


def main() -> int:
    parser = arguments(__doc__, "runs/benchmarks/pointclouds.json")
    parser.add_argument("--rounds", type=int, help="rounds over all contenders (default: 15)")
    options = parser.parse_args()
    keep_freed_memory()  # as `eqgraph train` does; for all contenders
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    described = machine()
    print_machine(described, threads=options.threads)
    results: dict[str, Any] = {}
    targets: list[Target] = []
    for section in SECTIONS:
        numbers, its_targets = section(options)
        results |= numbers
        targets += its_targets
    return finish(options.json, described, results, targets, options.check)


if __name__ == "__main__":
    raise SystemExit(main())
