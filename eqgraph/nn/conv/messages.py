"""Single messages, for who wants to see them: PyG's explainers and hooks. Kernels never store them."""

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing

from eqgraph.o3.blocks import Sizes, cut, join


def messages_are_watched(layer: MessagePassing) -> bool:
    """Whether an explainer or a hook wants to see single messages.

    Example:
        >>> layer = MessagePassing()
        >>> handle = layer.register_message_forward_hook(lambda module, inputs, output: None)
        >>> messages_are_watched(layer)
        True
    """
    hooks = (
        layer._propagate_forward_pre_hooks,
        layer._propagate_forward_hooks,
        layer._message_forward_pre_hooks,
        layer._message_forward_hooks,
        layer._aggregate_forward_pre_hooks,
        layer._aggregate_forward_hooks,
        layer._message_and_aggregate_forward_pre_hooks,
        layer._message_and_aggregate_forward_hooks,
    )
    return bool(layer.explain) or any(hooks)


def to_rows(flat: Tensor, sizes: Sizes) -> Tensor:
    """Features in one vector (see eqgraph.o3.blocks) to (nodes, dim), channels last within each irrep.

    Example:
        >>> to_rows(torch.tensor([0.0, 4, 1, 2, 3, 5, 6, 7]), [(1, 1), (1, 3)])
        tensor([[0., 1., 2., 3.],
                [4., 5., 6., 7.]])
    """
    return torch.cat([block.flatten(1) for block in cut(flat, sizes)], dim=1)


def from_rows(rows: Tensor, sizes: Sizes) -> Tensor:
    """The inverse of to_rows.

    Example:
        >>> from_rows(torch.tensor([[0.0, 1, 2, 3], [4, 5, 6, 7]]), [(1, 1), (1, 3)])
        tensor([0., 4., 1., 2., 3., 5., 6., 7.])
    """
    return join(rows.split([mul * dim for mul, dim in sizes], dim=1))
