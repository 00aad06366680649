"""Some of the points of a cloud with all that belongs to them."""

from torch import Tensor
from torch_geometric.data import Data

from .graphs import graph_of_node


def check_single(data: Data, transform: object) -> None:
    """Transforms that change the number of points work on one cloud without edges.

    Args:
        data: the cloud.
        transform: who asks, for messages.

    Raises:
        ValueError: if it is a batch, or has edges.
    """
    name = type(transform).__name__
    graph_of_node(data)
    if data.get("batch") is not None:
        raise ValueError(f"{name}: expected one cloud, got a batch. Apply it to each cloud, before batching.")
    check_no_edges(data, transform)


def check_no_edges(data: Data, transform: object) -> None:
    """Edges between points that go would be wrong.

    Args:
        data: the cloud.
        transform: who asks, for messages.

    Raises:
        ValueError: if it has edges.
    """
    edges = [key for key in sorted(data.keys()) if "edge" in key and data[key] is not None]
    if edges:
        raise ValueError(
            f"{type(transform).__name__}: expected a cloud without edges, got {', '.join(edges)}. Choose points before edges "
            "are made."
        )


def node_keys(data: Data) -> list[str]:
    """Names of what data has one row per point of; not the class of a cloud, even if it has one point.

    Args:
        data: the cloud.

    Example:
        >>> import torch
        >>> node_keys(Data(pos=torch.zeros(1, 3), y=torch.zeros(1), x=torch.zeros(1, 4)))
        ['x', 'pos']
    """
    num = len(data.pos)
    return [
        key
        for key, value in data.items()
        if isinstance(value, Tensor)
        and value.ndim > 0
        and len(value) == num
        and (num > 1 or value.ndim > 1 or key == "batch")
    ]


def keep_points(data: Data, index: Tensor) -> Data:
    """Only the points of these indices, in this order.

    Args:
        data: one cloud, changed in place.
        index: (kept,) indices.

    Example:
        >>> import torch
        >>> keep_points(Data(pos=torch.zeros(5, 3)), torch.tensor([0, 2]))
        Data(pos=[2, 3])
    """
    for key in node_keys(data):
        data[key] = data[key][index]
    if "num_nodes" in data:
        data.num_nodes = len(index)
    return data
