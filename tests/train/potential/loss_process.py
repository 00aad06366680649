"""One of two processes that train together: `python loss_process.py rank folder` leaves what it found in the folder.

test_loss_processes.py starts two and compares with one process that has all structures.
"""

import datetime
import sys
from pathlib import Path

import ase.build
import numpy as np
import torch
import torch.distributed as dist
from torch_geometric.data import Batch

from eqgraph.datasets import AtomsDataset, Frame
from eqgraph.models import build_potential
from eqgraph.train.config import ConstantSchedule, OptimizerConfig
from eqgraph.train.potential.loss import Loss
from eqgraph.train.potential.loss_config import LossConfig
from eqgraph.train.potential.loss_sums import LossSums
from eqgraph.train.potential.metrics import PotentialErrors
from eqgraph.train.potential.module import PotentialModule

LOSS = LossConfig(
    energy=1.0,
    forces={"weight": 2.0, "function": "huber", "delta": 0.5, "elements": {"H": 0.5}},
    stress=3.0,
    virial={"weight": 0.5, "function": "mae"},
    dipole=4.0,
    stages=[{"start": 0.5, "energy": 10.0}],
)
SHARES = [[0, 1], [2, 3, 4]]
"""Which structures each process has: crystals, and molecules without stress."""


def frames() -> list[Frame]:
    rng = np.random.default_rng(0)
    crystal, water = ase.build.bulk("CuO", "rocksalt", a=4.2) * (2, 1, 1), ase.build.molecule("H2O")
    crystal.rattle(0.1, seed=1)
    return [
        Frame(crystal, energy=-3.0, forces=rng.normal(size=(4, 3)), stress=np.diag([0.1, 0.2, 0.3])),
        Frame(crystal, energy=-2.0, weight=3.0),
        Frame(water, forces=rng.normal(size=(3, 3))),
        Frame(water, energy=1.0, dipole=np.array([0.1, 0.2, 0.3]), weight=2.0),
        Frame(water),
    ]


def follow(shares: list[int]) -> dict[str, object]:
    """Loss and gradients of some shares, averaged over processes as in distributed training, and what a validation says."""
    torch.manual_seed(0)
    config = {"num_layers": 2, "num_features": 4, "radial_hidden": [8], "dipole": True}
    potential = build_potential("nequip", config, [1, 8, 29], 3.5, [0.0] * 3, [1.0] * 3, 6.0).double().train()
    dataset, loss = AtomsDataset(frames(), 3.5), Loss.of_config(LOSS)
    batch = Batch.from_data_list([dataset[index] for share in shares for index in SHARES[share]])
    found: dict[str, object] = {}
    for stage in (0, 1):
        potential.zero_grad()
        prediction = potential(batch, stress=True)
        value = loss(prediction, batch, stage)
        value.backward()
        values = [value.detach(), *(p.grad for p in potential.parameters() if p.grad is not None)]
        if dist.is_initialized():
            for tensor in values:
                dist.all_reduce(tensor)
                tensor /= dist.get_world_size()
        found[f"stage {stage}"] = [tensor.clone() for tensor in values]
    sums, errors = LossSums(loss), PotentialErrors()
    for validation in (sums, errors):
        validation.update(prediction, batch)
        validation.join_processes()
    found["validation"] = [sums.value(0), sums.value(1)]
    found["errors"] = [tuple(row) for row in errors.rows()]
    # the clock of the first process is behind
    clock = [0.2, 0.7][shares[-1]]
    module = PotentialModule(potential, LOSS, OptimizerConfig(), ConstantSchedule(), 100, lambda: clock)
    module.on_train_batch_start(batch, 0)
    module.on_validation_epoch_start()
    found["stage"] = module.stage
    return found


def main() -> None:
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "store"), 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=datetime.timedelta(seconds=120))
    torch.save(follow([rank]), folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
