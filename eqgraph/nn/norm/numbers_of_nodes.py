"""Numbers of nodes, such as their graphs or their types, as arguments of layers."""

import torch
from torch import Tensor


def check_numbers_of_nodes(
    module: torch.nn.Module, name: str, numbers: Tensor | None, x: Tensor, count: int | None = None
) -> None:
    """Raise a ValueError unless there is one whole number per row of features, and each is in 0 ... count - 1.

    The latter is looked at where that costs nothing: on a GPU it would have to wait, and a traced program cannot look.

    Args:
        module: whose argument it is.
        name: of the argument.
        numbers: to be (nodes,), or None, which is fine.
        x: to be (nodes, dim).
        count: how many different numbers there may be; None: any.

    Example:
        >>> check_numbers_of_nodes(torch.nn.Identity(), "type_vec", torch.tensor([0, 1]), torch.zeros(2, 5), 2)
    """
    if numbers is None:
        return
    if x.dim() != 2 or numbers.shape != x.shape[:1] or numbers.is_floating_point():
        raise ValueError(
            f"{type(module).__name__}: expected {name} to be {x.shape[0]} whole numbers, one per row of an x with two axes, got "
            f"{tuple(numbers.shape)} of {numbers.dtype} for x of shape {tuple(x.shape)}. Give one number per node."
        )
    if count is None or torch.compiler.is_compiling() or numbers.device.type != "cpu" or not len(numbers):
        return
    low, high = numbers.aminmax()
    if low < 0 or high >= count:
        raise ValueError(
            f"{type(module).__name__}: expected {name} in 0 ... {count - 1}, got {int(low)} ... {int(high)}. Correct it, or how "
            "many there are."
        )
