"""What is different when a run goes on, and what that means for its checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

# how long, where to and on what: such a run is still the same; files may have moved, for what is in them is compared
_FREE = {
    "data.test",
    "data.train",
    "data.valid",
    "data.isolated_atoms",
    "data.replay",
    "data.in_memory",
    *(
        f"training.{key}"
        for key in (
            "output",
            "overwrite",
            "valid_batch_size",
            "checkpoint_every",
            "max_epochs",
            "max_time",
            "early_stopping",
            "device",
            "threads",
            "workers",
            "init_from",
            "seeds",
            "check",
        )
    ),
}
# the weights, or what the optimizer and the schedule know, would not fit
_FIXED = {"task", "optimizer.name", "optimizer.amsgrad", "schedule.name", "training.dtype", "training.seed"}
# what runs of eqgraph 0.1.0 did, whose configs have no such key
_NEW = {"model.zbl": False}


@dataclass(frozen=True)
class Change:
    """A key whose value is another."""

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.key}: {_shown(self.before)} -> {_shown(self.now)}"

    @property
    def is_free(self) -> bool:
        """Whether a run is the same in spite of it."""
        return self.key in _FREE or self.key.startswith("card.")

    @property
    def is_impossible(self) -> bool:
        """Whether no run can go on with it."""
        return self.key in _FIXED or self.key.startswith("model.")


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[Change]:
    """What differs between two configs as nested dicts, key by key.

    Example:
        >>> [str(change) for change in changes({"training": {"max_epochs": 5}}, {"training": {"max_epochs": 9}})]
        ['training.max_epochs: 5 -> 9']
    """
    before, now = _flat(before), _flat(now)
    before = {key: value for key, value in _NEW.items() if key in now} | before
    keys = [*now, *(key for key in before if key not in now)]
    return [Change(key, before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)]


def refuse(found: list[Change], where: str, allowed: bool) -> None:
    """Refuse what a run cannot go on with, and unless allowed, what would make it another run.

    Raises:
        ValueError: lists these changes, a line for each.
    """
    impossible = [change for change in found if change.is_impossible]
    other = [change for change in found if not change.is_free]
    if impossible:
        what, advice = (
            impossible,
            "Its weights and its optimizer do not fit these. Start a new run in another directory.",
        )
    elif other and not allowed:
        what, advice = other, "Set them back, or add --allow-changes to go on with them."
    else:
        return
    lines = "\n".join(f"  {change}" for change in what)
    raise ValueError(
        f"Expected to resume the run in '{where}' with its own config and data, came changes:\n{lines}\n{advice}"
    )


def fitted(checkpoint: dict[str, Any], module: torch.nn.Module, found: list[Change]) -> dict[str, Any]:
    """A checkpoint with the changes: Lightning would restore the learning rate, the patience and so on of before, without a word.

    Args:
        checkpoint: what was read.
        module: what is trained.
        found: what differs from the config of before.

    Raises:
        ValueError: if its weights are not those of the module.
    """
    _check_weights(checkpoint["state_dict"], module.state_dict())
    by_key = {change.key: change for change in found}
    groups = [group for optimizer in checkpoint["optimizer_states"] for group in optimizer["param_groups"]]
    schedulers = checkpoint["lr_schedulers"]
    if rate := by_key.get("optimizer.learning_rate"):
        _scale_rates([*groups, *schedulers], rate.now / rate.before)
    if decay := by_key.get("optimizer.weight_decay"):
        for group in groups:
            group["weight_decay"] = decay.now
    for key, name in (("factor", "factor"), ("patience", "patience"), ("min_learning_rate", "min_lrs")):
        if change := by_key.get(f"schedule.{key}"):
            for scheduler in schedulers:
                if name in scheduler:
                    scheduler[name] = [change.now] * len(scheduler[name]) if name == "min_lrs" else change.now
    if any(change.key.startswith(("loss.", "data.")) and not change.is_free for change in found):
        _forget_best(checkpoint)
    return checkpoint


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for section, keys in config.items():
        flat |= (
            {f"{section}.{key}": value for key, value in keys.items()} if isinstance(keys, dict) else {section: keys}
        )
    return flat


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def _scale_rates(states: list[dict[str, Any]], factor: float) -> None:
    for state in states:
        for name in ("lr", "initial_lr"):
            if name in state:
                state[name] = state[name] * factor
        for name in ("base_lrs", "_last_lr"):
            if name in state:
                state[name] = [rate * factor for rate in state[name]]


def _forget_best(checkpoint: dict[str, Any]) -> None:
    """Validation losses of before are of another kind: the next one is the best so far."""
    for name, state in checkpoint["callbacks"].items():
        if name.startswith("EarlyStop"):
            state |= {"best_score": torch.tensor(torch.inf), "wait_count": 0}
        elif name.startswith("SaveBest"):
            state["loss"] = math.inf
    for scheduler in checkpoint["lr_schedulers"]:
        if "num_bad_epochs" in scheduler:
            scheduler |= {"best": math.inf, "num_bad_epochs": 0}


def _check_weights(before: dict[str, torch.Tensor], now: dict[str, torch.Tensor]) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in before.items()}
    for name, tensor in now.items():
        if shapes.pop(name, None) != tuple(tensor.shape):
            break
    else:
        if not shapes:
            return
        name = next(iter(shapes))
    came = tuple(before[name].shape) if name in before else "none"
    expected = tuple(now[name].shape) if name in now else "none"
    raise ValueError(
        f"Expected a checkpoint with weights {name} of shape {expected}, came {came}: the data or the model are others than those of "
        "the run. Start a new run in another directory."
    )
