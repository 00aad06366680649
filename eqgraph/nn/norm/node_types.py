"""Numbers of nodes, such as their types, as arguments of layers."""

import torch
from torch import Tensor


def check_numbers_of_nodes(module: torch.nn.Module, name: str, numbers: Tensor | None, x: Tensor) -> None:
    """Raise a ValueError unless there is one whole number per row of features.

    Args:
        module: whose argument it is.
        name: of the argument.
        numbers: to be (nodes,), or None, which is fine.
        x: to be (nodes, dim).

    Example:
        >>> check_numbers_of_nodes(torch.nn.Identity(), "type_vec", torch.tensor([0, 1]), torch.zeros(2, 5))
    """
    if numbers is not None and (x.dim() != 2 or numbers.shape != x.shape[:1] or numbers.is_floating_point()):
        raise ValueError(
            f"{type(module).__name__}: expected {name} to be {x.shape[0]} whole numbers, one per row of an x with two axes, got "
            f"{tuple(numbers.shape)} of {numbers.dtype} for x of shape {tuple(x.shape)}. Give one number per node."
        )
