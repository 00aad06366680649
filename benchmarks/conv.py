"""The convolution alone, against e3nn in each of its modes: same weights, same inputs, one process.

    python benchmarks/conv.py             # about 10 minutes; needs `pip install e3nn`, and a C++ compiler for its compiled modes
    python benchmarks/conv.py --quick     # does it run: one small case, under a minute

Gather, tensor product with weights per edge, sum to receivers, on a random graph in which every node has the same number of neighbors;
all paths of SO(3). Timed in turns, each after an untimed call, are

- forward: no gradients;
- backward: forward and the gradients of features, harmonics and weights;
- force training: energy -> gradients of harmonics and weights (what forces are made of) -> gradient of a loss of both.

e3nn runs as it comes (eager), scripted, and compiled, by itself (jit_mode="inductor") and as a whole (torch.compile); its best time
counts. A row is refused if values or gradients differ from e3nn's in float64 by more than 1e-5 of the largest.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from report import Quartiles, Target, arguments, console, finish, machine, print_machine, table
from torch import Tensor

from eqgraph import ops
from eqgraph.nn import TensorProductConv

TOLERANCE = 1e-5
ENOUGH = {False: (15, 8.0), True: (3, 1.0)}  # --quick -> calls at most, seconds at most


class Case(NamedTuple):
    """One row of the table."""

    lmax: int
    channels: int
    degree: int
    nodes: int
    targets: dict[str, float]

    @property
    def name(self) -> str:
        return f"lmax {self.lmax}, {self.channels} channels, degree {self.degree}, {self.degree * self.nodes:,} edges"


CASES = (
    Case(2, 64, 40, 150, {"forward": 40, "backward": 40, "force training": 25}),
    Case(1, 32, 40, 1000, {"backward": 20}),
    Case(3, 128, 40, 50, {"backward": 30}),
)
QUICK = (Case(1, 16, 10, 50, {}),)

Conv = Callable[[Tensor, Tensor, Tensor], Tensor]


def main() -> int:
    options = arguments(__doc__, "runs/benchmarks/conv.json").parse_args()
    torch.set_num_threads(options.threads)
    described = machine()
    print_machine(described, threads=f"{options.threads}, of e3nn as of eqgraph", load="pick an idle machine")
    results, targets, rows = [], [], []
    for case in QUICK if options.quick else CASES:
        console.print(f"Measuring {case.name}")
        result = measure(case, options.quick)
        results.append({"case": case.name, **result})
        for what, times in result["seconds"].items():
            peers = {name: quartiles for name, quartiles in times.items() if name != "eqgraph"}
            best = min(peers, key=lambda name: peers[name].median)
            ratio = peers[best].median / times["eqgraph"].median
            valid = result["error"] <= TOLERANCE
            if what in case.targets:
                targets.append(Target(f"{case.name}: {what}", ratio if valid else 0.0, case.targets[what]))
            edges = case.degree * case.nodes
            rows.append(
                (
                    case.name,
                    what,
                    per_edge(times["eqgraph"], edges),
                    *(per_edge(peers[name], edges) if name in peers else "-" for name in MODES),
                    f"{ratio:.1f} ({best})" if valid else "refused",
                    f"{result['error']:.0e}",
                )
            )
    columns = ("case", "what", "eqgraph µs/edge", *(f"e3nn {name}" for name in MODES), "ratio to the best", "error")
    table("Median time per edge [µs] (quartiles)", columns, rows)
    return finish(options.json, described, {"threads": options.threads, "results": results}, targets, options.check)


def per_edge(quartiles: Quartiles, edges: int) -> str:
    median, lower, upper = (1e6 * seconds / edges for seconds in quartiles)
    return f"{median:.3g} ({lower:.3g} - {upper:.3g})"


def measure(case: Case, quick: bool) -> dict[str, Any]:
    """Error of the values and derivatives, and quartiles of the seconds of each implementation."""
    torch.manual_seed(0)
    irreps = " + ".join(f"{case.channels}x{l}e" for l in range(case.lmax + 1))
    irreps_sh = " + ".join(f"{l}e" for l in range(case.lmax + 1))  # all even: parity forbids no path
    layer = TensorProductConv(irreps, irreps_sh, irreps_sh)
    num_edges = case.nodes * case.degree
    src = torch.randint(case.nodes, (num_edges,))
    dst = torch.arange(case.nodes).repeat_interleave(case.degree)
    edges = ops.Edges.of(torch.stack([src, dst]), case.nodes, case.nodes)
    x = torch.randn(case.nodes, layer.irreps_in.dim)
    y, w = torch.randn(num_edges, layer.irreps_sh.dim), torch.randn(num_edges, layer.table.num_weights)

    def ours(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        return ops.conv(x, y, w, edges.sorted, layer.table)

    flat = flatten(x, layer.table.blocks)
    tensors = {"eqgraph": (flat, y, w)}
    convs: dict[str, Conv] = {"eqgraph": ours}
    for mode in MODES:
        conv = e3nn_conv(mode, layer, src, dst)
        tensors[mode], convs[mode] = (x, y, w), conv
    error = parity(layer, ours, flat, e3nn_conv("eager", layer, src, dst, torch.float64), x, y, w)

    seconds: dict[str, dict[str, Quartiles]] = {}
    for what, run in (("forward", forward), ("backward", backward), ("force training", force_training)):
        calls = {}
        for name, conv in convs.items():
            given = [tensor.clone().requires_grad_(what != "forward") for tensor in tensors[name]]
            try:
                run(conv, *given)  # compiles
            except Exception as problem:
                lines = str(problem).strip().splitlines() or [type(problem).__name__]
                console.print(f"  e3nn {name}, {what}: does not run ({lines[0][:100]})")
                continue
            calls[name] = lambda run=run, conv=conv, given=given: run(conv, *given)
        seconds[what] = timed(calls, *ENOUGH[quick])
    return {"error": error, "seconds": seconds}


def timed(calls: dict[str, Callable[[], Any]], most: int, limit: float) -> dict[str, Quartiles]:
    """Seconds of each call, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for name, call in calls.items():
        for _ in range(2):
            call()
        start = time.perf_counter()
        while len(times[name]) < most and time.perf_counter() - start < limit / 2:
            for other in ("eqgraph", name) if name != "eqgraph" else ("eqgraph",):
                calls[other]()  # what the other left in the caches is not its weather
                begin = time.perf_counter()
                calls[other]()
                times[other].append(time.perf_counter() - begin)
    return {name: Quartiles.of(values) for name, values in times.items()}


def forward(conv: Conv, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    with torch.no_grad():
        return conv(x, y, w)


def backward(conv: Conv, x: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(conv(x, y, w).sum(), (x, y, w))


def force_training(conv: Conv, x: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    energy = conv(x, y, w).square().sum()
    forces = torch.autograd.grad(energy, (y, w), create_graph=True)
    return torch.autograd.grad(sum(force.square().sum() for force in forces), (x, y, w))


MODES = ("eager", "script", "inductor", "compile")


def e3nn_conv(mode: str, layer: TensorProductConv, src: Tensor, dst: Tensor, dtype: torch.dtype | None = None) -> Conv:
    """The layer's product written with e3nn, in one of its modes; same order of weights."""
    import e3nn
    from e3nn import o3

    e3nn.set_optimization_defaults(jit_mode="eager" if mode == "compile" else mode)
    products = [(layer.irreps_in[i].mul, str(ir)) for i, _, ir in layer.paths]
    instructions = [(i, j, k, "uvu", True) for k, (i, j, _) in enumerate(layer.paths)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        product = o3.TensorProduct(
            str(layer.irreps_in), str(layer.irreps_sh), o3.Irreps(products), instructions,
            shared_weights=False, internal_weights=False,
        )  # fmt: skip
    product = product.to(dtype) if dtype else product
    nodes = int(dst.max()) + 1

    def conv(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        messages = product(x.index_select(0, src), y, w)
        return messages.new_zeros(nodes, messages.shape[1]).index_add(0, dst, messages)

    return torch.compile(conv) if mode == "compile" else conv


def parity(layer: TensorProductConv, ours: Conv, flat: Tensor, theirs: Conv, x: Tensor, y: Tensor, w: Tensor) -> float:
    """Largest error of values and derivatives in float32, relative to the largest value in float64."""
    given = [tensor.clone().requires_grad_() for tensor in (flat, y, w)]
    exact = [tensor.double().requires_grad_() for tensor in (x, y, w)]
    errors = [_error(ours(*given), _as_ours(layer, theirs(*exact)))]
    for run in (backward, force_training):
        mine, reference = run(ours, *given), run(theirs, *exact)
        reference = (flatten(reference[0], layer.table.blocks), *reference[1:])
        errors += [_error(a, b) for a, b in zip(mine, reference, strict=True)]
    return max(errors)


def _error(ours: Tensor, exact: Tensor) -> float:
    return ((ours.double() - exact).abs().max() / exact.abs().max()).item()


def flatten(x: Tensor, blocks: tuple[ops.Block, ...]) -> Tensor:
    """e3nn's layout of features to that of the operators."""
    parts = x.split([block.size for block in blocks], dim=1)
    return torch.cat([p.unflatten(1, (b.mul, b.dim)).mT.flatten() for p, b in zip(parts, blocks, strict=True)])


def _as_ours(layer: TensorProductConv, out: Tensor) -> Tensor:
    """e3nn's output, one block per path, in the layout of the operators."""
    table = layer.table
    sizes = [(table.mul(path), table.out_blocks[path.out_block].dim) for path in table.paths]
    parts = out.split([mul * dim for mul, dim in sizes], dim=1)
    blocks = [out.new_zeros(len(out), block.dim, block.mul) for block in table.out_blocks]
    for path, part, (mul, dim) in zip(table.paths, parts, sizes, strict=True):
        blocks[path.out_block][:, :, path.channel : path.channel + mul] = part.unflatten(1, (mul, dim)).mT
    return torch.cat([block.flatten() for block in blocks])


if __name__ == "__main__":
    sys.exit(main())
