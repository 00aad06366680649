"""The class of a point cloud, however it is turned."""

import torch
from torch import Tensor
from torch_geometric.nn import global_max_pool, global_mean_pool

from .class_head import PointInvariants, class_scores
from .point_encoder import PointEncoder


class PointCloudClassifier(torch.nn.Module):
    """Any encoder, invariants of its features, their mean and maximum over the points, and scores of the classes.

    Scores do not change when the cloud is turned, reflected, moved or scaled, or its points come in another order.

    Args:
        encoder: from points to equivariant features.
        num_classes: number of classes.

    Raises:
        ValueError: for fewer than two classes.

    Example:
        >>> from eqgraph.models import build_classifier
        >>> model = build_classifier("tensor_field_network", {"num_layers": 2, "num_features": 4}, num_classes=3).eval()
        >>> pos = torch.randn(40, 3)
        >>> logits = model(pos, torch.arange(2).repeat_interleave(20))
        >>> logits.shape, torch.allclose(model(-2 * pos[20:] + 1)[0], logits[1], atol=1e-4)
        (torch.Size([2, 3]), True)
    """

    def __init__(self, encoder: PointEncoder, num_classes: int) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(
                f"PointCloudClassifier: expected at least 2 classes, got num_classes={num_classes}. Count the classes of the data."
            )
        config = encoder.config
        self.encoder, self.num_classes = encoder, num_classes
        width = config.head_hidden[0] if config.head_hidden else config.num_invariant_channels
        self.invariants = PointInvariants(encoder.irreps[-1], config.invariants, config.num_invariant_channels, width)
        self.scores = class_scores(2 * width, config.head_hidden, config.dropout, num_classes)

    def forward(
        self, pos: Tensor, batch: Tensor | None = None, x: Tensor | None = None, batch_size: int | None = None
    ) -> Tensor:
        """Scores (logits) of the classes.

        Args:
            pos: (points, 3).
            batch: (points,) int64, the cloud of each point, ascending; None: all in one cloud.
            x: (points, dim) features of the points, in the irreps that the encoder was made for.
            batch_size: number of clouds; if None, found by looking at batch.

        Returns:
            (clouds, num_classes).

        Raises:
            ValueError: as PointEncoder.
        """
        encoding = self.encoder(pos, batch, x, batch_size, last=True)
        batch = encoding.batch[-1]
        batch_size = int(encoding.batch[0][-1]) + 1 if batch_size is None else batch_size
        numbers = self.invariants(encoding.features[-1])
        pooled = [pool(numbers, batch, batch_size) for pool in (global_mean_pool, global_max_pool)]
        return self.scores(torch.cat(pooled, 1))
