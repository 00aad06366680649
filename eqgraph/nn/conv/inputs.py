"""Checks of what a convolution is given; messages carry the name of the layer."""

import torch
from torch import Tensor

from eqgraph import ops


def check_rows(layer: str, name: str, tensor: Tensor, shape: tuple[int, int], text: str, dtype: torch.dtype) -> None:
    """Check shape and precision of features of nodes or edges.

    Args:
        layer: name of the layer.
        name: of the argument.
        tensor: to check.
        shape: expected.
        text: what the columns are, for the message.
        dtype: of the weights of the layer.

    Raises:
        ValueError: if shape or dtype differ; under autocast, dtypes may differ.

    Example:
        >>> check_rows("Conv", "x", torch.ones(2, 3), (2, 3), "", torch.float32)
    """
    if tensor.shape != shape:
        raise ValueError(
            f"{layer}: expected {name} of shape {shape}{text}, got {tuple(tensor.shape)}. Check the irreps and that there is one row "
            "per node or edge."
        )
    if tensor.dtype != dtype and not torch.is_autocast_enabled(tensor.device.type):
        raise ValueError(
            f"{layer}: expected {name} in {dtype} like the weights, got {tensor.dtype}. Convert it with {name}.to({dtype}), or the "
            f"layer with .to({tensor.dtype})."
        )


def sorted_edges(layer: str, edge_index: Tensor | ops.Edges, num_src: int, num_dst: int) -> ops.Edges:
    """Edges as the kernels need them; those that were sorted before are returned as they are.

    Args:
        layer: name of the layer.
        edge_index: (2, edges) whole numbers, senders in the first row, receivers in the second; or ops.Edges.
        num_src: number of senders.
        num_dst: number of receivers.

    Raises:
        ValueError: if edge_index has another shape or is not of whole numbers.

    Example:
        >>> sorted_edges("Conv", torch.tensor([[0, 1], [1, 0]]), 2, 2).num_dst
        2
    """
    if isinstance(edge_index, ops.Edges):
        return edge_index
    if edge_index.dim() != 2 or edge_index.shape[0] != 2 or edge_index.is_floating_point():
        raise ValueError(
            f"{layer}: expected edge_index of shape (2, edges) with whole numbers, got {tuple(edge_index.shape)} of "
            f"{edge_index.dtype}. Put the senders in the first row, the receivers in the second."
        )
    return ops.sorted_edges(edge_index, num_src, num_dst)
