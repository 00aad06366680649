"""Several processes."""

import os
import subprocess
import sys
import time

import yaml


def test_one_that_fails_ends_all(raw, tmp_path):
    """mace#1215, #1348: when one process stopped, or took the second stage alone, the others waited for ever."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(raw))
    (tmp_path / "failing.py").write_text(
        "import os, sys\n"
        "from eqgraph.cli import main\n"
        "from eqgraph.train.potential.module import PotentialModule\n"
        "step = PotentialModule.training_step\n"
        "def failing(self, batch, batch_idx):\n"
        "    if os.environ['RANK'] == '1' and batch_idx == 2:\n"
        "        raise ValueError('rank 1 has had enough')\n"
        "    return step(self, batch, batch_idx)\n"
        "PotentialModule.training_step = failing\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    begun = time.monotonic()
    done = subprocess.run(
        [*start, str(tmp_path / "failing.py"), "train", str(tmp_path / "config.yaml")],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode != 0
    assert "rank 1 has had enough" in done.stderr
    assert time.monotonic() - begun < 120


def test_all_take_the_second_stage_at_once(monkeypatch):
    """mace#1348: the jump to the second stage was decided by the first process alone; clocks of processes differ."""
    import torch
    from torch_geometric.data import Data

    from eqgraph.models import build_potential
    from eqgraph.train import module as clocks
    from eqgraph.train.config import CosineSchedule, OptimizerConfig
    from eqgraph.train.potential.loss_config import LossConfig
    from eqgraph.train.potential.module import PotentialModule

    potential = build_potential("nequip", {"num_layers": 1, "num_features": 2}, [1], 3.0, [0.0], [1.0], 1.0)
    loss = LossConfig(stages=[{"start": 0.5, "energy": 10.0}])
    slow = PotentialModule(potential, loss, OptimizerConfig(), CosineSchedule(), 100, lambda: 0.4)
    assert slow._stage_of_step(10) == 0
    monkeypatch.setattr(clocks, "num_processes", lambda: 2)
    monkeypatch.setattr(clocks, "max_over_processes", lambda time: torch.maximum(time, torch.tensor(0.6)))  # another's
    slow.on_train_batch_start(Data(), 0)
    assert slow._stage_of_step(10) == 1
