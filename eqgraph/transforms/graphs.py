"""Which cloud a point belongs to."""

from torch import Tensor
from torch_geometric.data import Data


def graph_of_node(data: Data) -> tuple[Tensor | None, int]:
    """The batch vector and the number of graphs; None and 1 for a single cloud.

    Args:
        data: one cloud, or a batch.

    Raises:
        ValueError: if it has no points, or they are not three-dimensional.

    Example:
        >>> import torch
        >>> graph_of_node(Data(pos=torch.zeros(5, 3)))
        (None, 1)
    """
    pos = data.pos
    if pos is None or pos.ndim != 2 or pos.shape[1] != 3 or not pos.is_floating_point():
        got = "none" if pos is None else f"{pos.dtype} of shape {tuple(pos.shape)}"
        raise ValueError(
            f"Expected data.pos of shape (n, 3) in floating point, got {got}. Set it; append a column of zeros to points of a "
            "plane."
        )
    batch = data.get("batch")
    if batch is None:
        return None, 1
    return batch, int(getattr(data, "num_graphs", None) or (int(batch.max()) + 1 if len(batch) else 0))
