"""A running mean of the weights: what is validated and saved."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor


class RunningMean:
    """Exponential moving average of everything floating-point in a module's state.

    mean ← d mean + (1 - d) now,  d = min(decay, (1 + n) / (10 + n)),  n = number of updates so far

    The warm-up of d keeps the random first weights out of the mean of a short training. Buffers that never change stay bit for bit
    what they are.

    Args:
        module: whose state to average.
        decay: d in the long run, per update.

    Example:
        >>> linear = torch.nn.Linear(1, 1)
        >>> mean = RunningMean(linear, decay=0.99)
        >>> mean.update(linear)
        >>> mean.num_updates
        1
    """

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.num_updates = 0
        self.state = {name: tensor.detach().clone() for name, tensor in self._averaged(module).items()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module) -> None:
        """Take in the module's state after an optimizer step."""
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        now = self._averaged(module)
        # lerp moves by a fraction of the difference: a constant is a fixed point without rounding
        for name, mean in self.state.items():
            mean.lerp_(now[name], 1 - decay)
        self.num_updates += 1

    @torch.no_grad()
    def swap(self, module: torch.nn.Module) -> None:
        """Exchange the module's state and the mean; a second call puts both back."""
        for name, now in self._averaged(module).items():
            kept = now.clone()
            now.copy_(self.state[name])
            self.state[name].copy_(kept)

    @staticmethod
    def _averaged(module: torch.nn.Module) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}


class EMA(Callback):
    """Validate with the running mean of the weights of `module.model`, and keep it in checkpoints.

    Args:
        decay: see `RunningMean`; zero validates the weights as they are.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.mean: RunningMean | None = None
        self._restored: dict[str, Any] | None = None

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.mean = RunningMean(module.model, self.decay)
        if self._restored is not None:
            self.mean.num_updates = self._restored["num_updates"]
            for name, tensor in self.mean.state.items():
                tensor.copy_(self._restored["state"][name])

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        self.mean.update(module.model)

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.mean.swap(module.model)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.mean.swap(module.model)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.mean is None else {"num_updates": self.mean.num_updates, "state": self.mean.state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict
