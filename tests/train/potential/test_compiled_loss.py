"""The compiled training step, in a process of its own: the annotation checker of the tests cannot be traced."""

import shutil
import subprocess
import sys

import pytest
import torch

from eqgraph.models import NequIP, NequIPConfig, Potential
from eqgraph.train.potential import compiled_loss
from eqgraph.train.potential.compiled_loss import CompiledLoss, why_not
from eqgraph.train.potential.config import Config
from eqgraph.train.potential.loss import Loss
from eqgraph.train.potential.task import _compiled

SCRIPT = """
import torch
from ase import Atoms
from torch._dynamo.utils import counters
from torch_geometric.data import Batch
from eqgraph.graph import from_ase
from eqgraph.models import NequIP, NequIPConfig, Potential
from eqgraph.train.potential.compiled_loss import CompiledLoss
from eqgraph.train.potential.loss import Loss

torch.manual_seed(0)
network = NequIP(NequIPConfig(num_layers=2, num_features=4, lmax=1, radial_hidden=[8], dipole=True), 2, 3.0, 3.0)
potential = Potential(network, [1, 8], 3.0, [0.0, 0.0], [1.0, 1.0], zbl=True).train()
forces = {"function": "huber", "delta": 0.5, "elements": {"H": 0.5}}
later = {"energy": 10.0, "forces": 0.0, "stress": 1.0, "virial": 1.0, "dipole": 1.0}
loss = Loss(1.0, forces, 1.0, {"function": "mae"}, 1.0, stages=[later])
compiled = CompiledLoss(potential, loss)

def batch(sizes):
    frames = []
    for index, size in enumerate(sizes):
        pbc = index != 1  # a molecule among crystals
        atoms = Atoms(torch.tensor([1, 8]).repeat(size)[:size].numpy(), torch.rand(size, 3).numpy() * 4, cell=[5.0 * pbc] * 3, pbc=pbc)
        data = from_ase(atoms, 3.0)
        data.energy, data.forces, data.stress = torch.randn(1), torch.randn(size, 3), torch.randn(1, 3, 3)
        data.virial, data.dipole, data.weight = torch.randn(1, 3, 3), torch.randn(1, 3), torch.rand(1)
        data.update({name: data[name].double() for name in ("energy", "forces", "stress", "virial", "dipole", "weight")})
        for name in ("dipole",) if pbc else ("stress", "virial", "forces"):
            data[name][:] = torch.nan
        frames.append(data)
    return Batch.from_data_list(frames)

def values_and_gradients(function, data, stage):
    potential.zero_grad()
    value = function(data, stage)
    value.backward()
    return [value.detach(), *(parameter.grad.clone() for parameter in potential.parameters())]

for sizes in ((5, 7), (6, 9, 4)):  # the second has other shapes
    data = batch(sizes)
    for stage in (0, 1):
        eager = values_and_gradients(lambda data, stage: loss(potential(data, stress=True), data, stage), data, stage)
        if stage == 1:
            before = counters["stats"]["unique_graphs"]
        for ours, theirs in zip(values_and_gradients(compiled, data, stage), eager, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))
    assert counters["stats"]["unique_graphs"] == before, "a new stage compiles nothing anew"
"""


@pytest.mark.skipif(why_not() is not None, reason=f"{why_not()}")
def test_the_compiled_step_gives_the_eager_numbers():
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_what_cannot_be_compiled_says_why(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    potential = Potential(NequIP(NequIPConfig(num_layers=1, num_features=2), 1, 3.0, 1.0), [1], 3.0, [0.0], [1.0])
    with pytest.raises(RuntimeError, match=r"came: there is no C\+\+ compiler\. Set training\.compile=false"):
        CompiledLoss(potential, Loss())
    monkeypatch.delattr(torch._dynamo.config, "trace_autograd_ops", raising=False)
    assert "cannot trace the derivative" in compiled_loss.why_not()


def test_the_table_of_choices_says_where_compiling_does_not_pay():
    config = Config(
        data={"train": "train.xyz"}, training={"output": "runs/first", "max_time": "4 min", "compile": True}
    )
    assert "does not pay in 0:04:00" in _compiled(config.training.compile, config.training.max_time)
    assert _compiled(False, 240.0) == "no"
    assert "takes minutes" in _compiled(True, None)
