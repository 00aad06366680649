"""The loss as one compiled function: predictions, their loss, and the gradient of that."""

from __future__ import annotations

import shutil
import sysconfig

import torch
from torch import Tensor
from torch_geometric.data import Data

from eqgraph.models import Potential, PotentialInputs

from .loss import Loss, Target


class CompiledLoss:
    """loss(potential(batch), batch), compiled at the first call for graphs of any size.

    The derivative inside (forces) is traced into the compiled function, whose own derivative PyTorch makes as for any other. Kernels
    stay what they are; what is gained is the time between them.

    Args:
        potential: in training mode.
        loss: what to minimize.

    Raises:
        RuntimeError: if nothing can be compiled here; see why_not.
    """

    def __init__(self, potential: Potential, loss: Loss) -> None:
        if reason := why_not():
            raise RuntimeError(f"Expected to compile the training step, came: {reason}. Set training.compile=false.")
        self._potential, self._loss = potential, loss
        self._asked = loss.derivatives
        self._compiled = torch.compile(self._compute, dynamic=True, fullgraph=True)

    def __call__(self, batch: Data, stage: int = 0) -> Tensor:
        targets = self._loss.targets(batch)
        # weights are numbers in a tensor: a new stage compiles nothing anew
        factors = self._loss.factors(targets, stage)
        counts = batch.batch.bincount(minlength=batch.num_graphs)
        with torch._dynamo.config.patch(trace_autograd_ops=True):
            return self._compiled(self._potential.inputs(batch), targets, counts, factors)

    def _compute(
        self, inputs: PotentialInputs, targets: dict[str, Target], num_atoms: Tensor, factors: Tensor
    ) -> Tensor:
        return self._loss.of(self._potential.predict(inputs, *self._asked), targets, num_atoms, factors)


def why_not() -> str | None:
    """What is missing for CompiledLoss, None if nothing is."""
    if not hasattr(torch._dynamo.config, "trace_autograd_ops"):
        return f"PyTorch {torch.__version__} cannot trace the derivative of the energy, 2.13 can"
    compiler = (sysconfig.get_config_var("CXX") or "c++").split()[0]
    if not (torch.cuda.is_available() or any(map(shutil.which, (compiler, "g++", "clang++")))):
        return "there is no C++ compiler"
    return None
