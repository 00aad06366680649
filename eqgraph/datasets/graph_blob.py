"""A labelled graph as bytes, in safetensors: reading them runs no code."""

from __future__ import annotations

import torch
from safetensors.torch import load, save
from torch import Tensor
from torch_geometric.data import Data

_SMALL = (torch.uint8, torch.int8, torch.int16, torch.int32)


def graph_to_bytes(graph: Data) -> bytes:
    """Everything in a graph; whole numbers, in float64 too (edge_shift), take as few bytes as they need.

    Example:
        >>> graph = Data(pos=torch.tensor([[0.5]]).double(), edge_index=torch.tensor([[0], [3]]))
        >>> graph_from_bytes(graph_to_bytes(graph))
        Data(edge_index=[2, 1], pos=[1, 1])
    """
    return save({name: _narrow(name, tensor).contiguous() for name, tensor in graph.to_dict().items()})


def graph_from_bytes(blob: bytes) -> Data:
    """The same graph.

    Raises:
        Exception: if the bytes are damaged, of whatever kind safetensors raises.
    """
    return Data(**{name: _wide(name, tensor) for name, tensor in sorted(load(blob).items())})


def _narrow(name: str, tensor: Tensor) -> Tensor:
    if tensor.dtype != torch.int64 and name != "edge_shift":
        return tensor
    low, high = (int(tensor.min()), int(tensor.max())) if tensor.numel() else (0, 0)
    for dtype in _SMALL:
        if torch.iinfo(dtype).min <= low and high <= torch.iinfo(dtype).max:
            return tensor.to(dtype)
    return tensor


def _wide(name: str, tensor: Tensor) -> Tensor:
    if name == "edge_shift":
        return tensor.double()
    return tensor.long() if tensor.dtype in _SMALL else tensor
