"""How many clouds get another class when they are turned, in float32.

    python benchmarks/orientations.py runs/modelnet10/model.eqg path/to/modelnet40

Reads the test split, keeps the classes that the model knows, and turns each cloud by random rotations and reflections.
"""

from __future__ import annotations

import argparse

import torch
from report import console, table
from rich.progress import track
from torch import Tensor

from eqgraph.datasets import read_point_clouds
from eqgraph.models import load_classifier
from eqgraph.o3 import rand_matrix

BATCH = 64


def scores(model: torch.nn.Module, pos: Tensor, ptr: Tensor) -> Tensor:
    """(clouds, classes) logits."""
    found = []
    for chunk in torch.arange(len(ptr) - 1).split(BATCH):
        first, last = int(chunk[0]), int(chunk[-1]) + 1
        sizes = ptr[first + 1 : last + 1] - ptr[first:last]
        batch = torch.arange(len(chunk)).repeat_interleave(sizes)
        found.append(model(pos[ptr[first] : ptr[last]], batch, None, len(chunk)))
    return torch.cat(found)


@torch.no_grad()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="model file of a classifier")
    parser.add_argument("data", help="clouds, any layout that read_point_clouds knows")
    parser.add_argument("--split", default="test")
    parser.add_argument("--orientations", type=int, default=5, help="of each cloud (default: 5)")
    options = parser.parse_args()
    torch.manual_seed(0)
    model, header = load_classifier(options.model)
    clouds = read_point_clouds(options.data, options.split, classes=header["classes"])
    number = clouds.num_points
    as_read = scores(model, clouds.pos, clouds.ptr)
    margin = as_read.topk(2).values.diff().abs().squeeze(1)
    rows, flips = [], 0
    for turn in track(range(options.orientations), "orientations", console=console):
        rotation = rand_matrix(len(clouds)) * (1 if turn % 2 else -1)
        turned = (clouds.pos.unsqueeze(1) @ rotation.repeat_interleave(number, 0).mT).squeeze(1)
        found = scores(model, turned, clouds.ptr)
        changed = int((found.argmax(1) != as_read.argmax(1)).sum())
        flips += changed
        change = (found - as_read).abs().amax(1) / as_read.abs().amax(1)
        rows.append((str(turn + 1), str(changed), f"{change.median():.0e}", f"{change.max():.0e}"))
    table(
        f"{len(clouds)} clouds, smallest lead of the first class {margin.min():.0e}",
        ("orientation", "other class", "median change of scores", "largest"),
        rows,
    )
    return int(flips > 0)


if __name__ == "__main__":
    raise SystemExit(main())
