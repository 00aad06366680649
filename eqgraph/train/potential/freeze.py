"""Layers that keep their weights while others learn."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def freeze(network: torch.nn.Module, names: Sequence[str]) -> None:
    """Exclude parameters from training, those whose dotted name is, or begins with, one of the names.

    Raises:
        ValueError: if a name fits no parameter, or nothing is left to train.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
        >>> freeze(network, ["0"])
        >>> [parameter.requires_grad for parameter in network.parameters()]
        [False, False, True, True]
    """
    parameters = dict(network.named_parameters())
    for name in names:
        if not any(belongs(parameter, name) for parameter in parameters):
            known = dict.fromkeys(".".join(parameter.split(".")[:2]) for parameter in parameters)
            raise ValueError(
                f"training.freeze: expected names of layers of the model, came '{name}', which fits none. There are: "
                f"{', '.join(known)}."
            )
    frozen = [tensor for key, tensor in parameters.items() if any(belongs(key, name) for name in names)]
    if len(frozen) == len(parameters):
        raise ValueError(
            "training.freeze: expected something to be left to train, came names of all layers. Remove one of them."
        )
    for parameter in frozen:
        parameter.requires_grad_(False)


def belongs(parameter: str, name: str) -> bool:
    """Whether a parameter is, or is part of, what is called by a dotted name.

    Example:
        >>> belongs("layers.0.weight", "layers.0"), belongs("layers.01.weight", "layers.0")
        (True, False)
    """
    return parameter == name or parameter.startswith(f"{name}.")
