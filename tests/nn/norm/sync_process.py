"""One of three processes that normalize together: `python sync_process.py rank folder` leaves what it found in the folder.

test_sync_batch_norm.py starts three and compares with one process that has all nodes.
"""

import copy
import datetime
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist

from eqgraph import nn
from eqgraph.o3 import Irreps

COUNTS = torch.tensor([[5, 1, 4], [0, 6, 3], [0, 0, 0], [4, 0, 0]])
"""(steps, processes): how many nodes each process has in each step."""
IRREPS = "3x0e + 2x1o + 1x0o + 1x0e + 2x2e"

SETTINGS: dict[str, Callable[[object], torch.nn.Module]] = {
    "SyncBatchNorm": lambda group: nn.SyncBatchNorm(IRREPS, process_group=group),
    "corrected": lambda group: nn.SyncBatchNorm(IRREPS, correction=1, momentum=None, process_group=group),
    "norm": lambda group: nn.SyncBatchNorm(IRREPS, affine=False, normalization="norm", process_group=group),
    "max": lambda group: nn.SyncBatchNorm(IRREPS, reduce="max", process_group=group),
    "untracked": lambda group: nn.SyncBatchNorm(
        IRREPS, track_running_stats=False, include_bias=False, process_group=group
    ),
    "without 0e": lambda group: nn.SyncBatchNorm("2x0o + 3x1o", process_group=group),
    "masked": lambda group: nn.SyncBatchNorm(IRREPS, process_group=group),
    "SyncHeteroBatchNorm": lambda group: nn.SyncHeteroBatchNorm(IRREPS, 4, momentum=None, process_group=group),
    "converted": lambda group: nn.convert_sync_batchnorm(nn.BatchNorm(IRREPS), group),
    "large mean": lambda group: nn.SyncBatchNorm("4x0e", process_group=group),
}


def follow(name: str, layer: torch.nn.Module, processes: list[int]) -> list[torch.Tensor]:
    """Train with the nodes of some processes; outputs and derivatives (rows of these nodes), then sums over nodes."""
    dtype = torch.float32 if name == "large mean" else torch.float64
    layer = layer.to(dtype)
    torch.manual_seed(0)
    for parameter in layer.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    found = []
    for counts in COUNTS:
        process = torch.arange(len(counts)).repeat_interleave(counts)
        here = (process[:, None] == torch.tensor(processes)).any(1)
        x, weights, directions = (Irreps(layer.irreps).randn(len(process), -1, dtype=torch.float64) for _ in range(3))
        if name == "large mean":
            x = x + 3000
        x, weights, directions = (values[here].to(dtype) for values in (x, weights, directions))
        x.requires_grad_()
        # two nodes per graph, no graph in two processes
        graph = 10 * process + torch.arange(len(process)) // 2
        mask = (torch.arange(len(process)) % 3 != 0) & (process != 1)
        types = (torch.arange(len(process)) * (process + 1)) % 4
        arguments = (types[here],) if "Hetero" in name else ()
        y = layer(x, *arguments, batch=graph[here], batch_size=40, mask=mask[here] if name == "masked" else None)
        loss = ((y + y.square()) * weights).sum()
        parameters = list(layer.parameters())
        gradient, *sums = torch.autograd.grad(loss, [x, *parameters], create_graph=True, materialize_grads=True)
        # forces in a loss: derivatives of the gradient of the input
        second, *second_sums = torch.autograd.grad(
            (gradient.sin() * directions).sum(), [x, *parameters], materialize_grads=True
        )
        found += [y, gradient, second, *sums, *second_sums]
    return [value.detach() for value in found]


def follow_distributed_data_parallel(processes: list[int], ddp: bool) -> list[torch.Tensor]:
    """The gradients of a converted model in DistributedDataParallel."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), nn.BatchNorm("8x0e"), torch.nn.Linear(8, 1)).double()
    if ddp:
        model = torch.nn.parallel.DistributedDataParallel(nn.convert_sync_batchnorm(model))
    for counts in COUNTS[:2]:
        process = torch.arange(len(counts)).repeat_interleave(counts)
        here = (process[:, None] == torch.tensor(processes)).any(1)
        x = torch.randn(len(process), 4, dtype=torch.float64)[here]
        (model(x).square().sum() * (len(counts) if ddp else 1)).backward()
    return [parameter.grad for parameter in model.parameters()]


def main() -> None:
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=3,
        timeout=datetime.timedelta(seconds=180),
    )
    pair = dist.new_group([0, 1])
    found = {}
    for name, build in SETTINGS.items():
        for group, processes in ((None, 3), (pair, 2)):
            layer = build(group)
            values = follow(name, layer, [rank])
            found[name, processes] = (values, copy.deepcopy(layer.state_dict()))
    found["ddp"] = follow_distributed_data_parallel([rank], ddp=True)
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
