"""Checks of options that several normalizations share."""

import torch


def check_choice(module: torch.nn.Module, name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise a ValueError unless value is one of those allowed.

    Example:
        >>> check_choice(torch.nn.Identity(), "mode", "node", ("node", "graph"))
    """
    if value not in allowed:
        raise ValueError(
            f"{type(module).__name__}: expected {name} to be one of {allowed}, got {value!r}. Choose one of these."
        )
