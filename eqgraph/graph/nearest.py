"""The nearest point of another cloud, in PyG's name and layout."""

from jaxtyping import Int
from torch import Tensor

from .clouds import Clouds, checked_points, count_clouds
from .k_nearest import k_nearest
from .knn import check_not_empty, check_pair


def nearest(
    x: Tensor, y: Tensor, batch_x: Tensor | None = None, batch_y: Tensor | None = None
) -> Int[Tensor, " points"]:
    """For each point of x the nearest point of y in the same graph.

    Which one does not depend on how the points are turned or ordered: see knn.

    Args:
        x: (points, dim) or (points,).
        y: (centers, dim) or (centers,).
        batch_x: (points,) the graph of each point, in any order; None: there is one graph.
        batch_y: (centers,) the same of y.

    Returns:
        Indices of y.

    Raises:
        ValueError: if shapes, types or devices do not fit, a coordinate is not finite, or a graph has points in x but none in y.

    Example:
        >>> import torch
        >>> nearest(torch.tensor([[0.0], [4.0], [5.0]]), torch.tensor([[1.0], [6.0]]))
        tensor([0, 1, 1])
    """
    x, batch_x = checked_points("nearest", "x", x, batch_x)
    y, batch_y = checked_points("nearest", "y", y, batch_y)
    check_pair("nearest", x, y)
    clouds = Clouds.of(y, batch_y, count_clouds("nearest", None, batch_x, batch_y))
    check_not_empty("nearest", clouds, batch_x, "y", "x")
    return clouds.original(k_nearest(clouds, x, batch_x, 1)[:, 0])
