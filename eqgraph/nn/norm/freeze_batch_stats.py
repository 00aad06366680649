"""Training on with the running statistics as they are."""

import torch

from .norm import Norm


def freeze_batch_stats(module: torch.nn.Module) -> torch.nn.Module:
    """Let all normalizations inside use the running statistics that they have, and keep them, in training, too.

    Each is then a fixed map of each node: a graph's output no longer depends on the other graphs of the batch. That is how a network
    with batch normalization is trained on forces, which else are derivatives through the statistics of the batch, and others in
    evaluation.
    Weights and biases still learn.

    Args:
        module: changed in place.

    Returns:
        the module.

    Raises:
        ValueError: if a layer inside has no running statistics, but couples the graphs of a batch.

    Example:
        >>> from eqgraph.nn import BatchNorm
        >>> norm = freeze_batch_stats(BatchNorm("2x0e + 1x1o")).train()
        >>> norm.training, norm.couples_graphs
        (False, False)
    """
    for name, layer in module.named_modules():
        if not isinstance(layer, Norm) or not (layer.couples_graphs or getattr(layer, "track_running_stats", False)):
            continue
        if not getattr(layer, "track_running_stats", True):
            raise ValueError(
                f"freeze_batch_stats: expected running statistics, got none in the {type(layer).__name__} '{name}'. Build it with "
                "track_running_stats=True."
            )
        layer.frozen, layer.couples_graphs = True, False
        layer.eval()
    return module
