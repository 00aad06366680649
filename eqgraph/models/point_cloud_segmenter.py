"""The class of every point of a cloud, however it is turned."""

import torch
from torch import Tensor
from torch_geometric.nn import global_mean_pool

from eqgraph.graph import knn
from eqgraph.nn import interpolate, normalization_resolver
from eqgraph.nn.nonlinearity import nonlinearity
from eqgraph.o3 import Irreps, Linear

from .class_head import PointInvariants, class_scores
from .hidden_irreps import hidden_irreps
from .point_encoder import PointEncoder


class PointCloudSegmenter(torch.nn.Module):
    """Any encoder; its features brought back from coarse to fine points, joined with those found there; scores for every point.

    Args:
        encoder: from points to equivariant features.
        num_classes: number of classes of points.
        num_neighbors: coarse points from which a fine one interpolates.

    Raises:
        ValueError: for fewer than two classes.

    Example:
        >>> from eqgraph.models import build_segmenter
        >>> options = {"num_layers": 2, "num_features": 4, "num_points": [None, 8]}
        >>> build_segmenter("tensor_field_network", options, num_classes=3)(torch.randn(20, 3)).shape
        torch.Size([20, 3])

    Reference: the way back is that of Qi et al. 2017, arXiv:1706.02413, section 3.4.
    """

    def __init__(self, encoder: PointEncoder, num_classes: int, num_neighbors: int = 4) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(
                f"PointCloudSegmenter: expected at least 2 classes, got num_classes={num_classes}. Count the classes of the data."
            )
        config = encoder.config
        self.encoder, self.num_classes, self.num_neighbors = encoder, num_classes, num_neighbors
        hidden = hidden_irreps(config.num_features, config.lmax, getattr(config, "parity", False))
        self.ways_up = torch.nn.ModuleList()
        irreps = encoder.irreps[-1]
        for skip in reversed(encoder.irreps[:-1]):
            way = _WayUp(irreps, skip, hidden, config.normalization)
            self.ways_up.append(way)
            irreps = way.irreps_out
        width = config.head_hidden[0] if config.head_hidden else config.num_invariant_channels
        self.invariants = PointInvariants(irreps, config.invariants, config.num_invariant_channels, width)
        self.scores = class_scores(2 * width, config.head_hidden, config.dropout, num_classes)

    def forward(
        self, pos: Tensor, batch: Tensor | None = None, x: Tensor | None = None, batch_size: int | None = None
    ) -> Tensor:
        """Scores (logits) of the classes of each point.

        Args:
            pos, batch, x, batch_size: as for PointCloudClassifier.

        Returns:
            (points, num_classes).
        """
        features, places, batches, levels = self.encoder(pos, batch, x, batch_size)
        batch = batches[0]
        batch_size = int(batch[-1]) + 1 if batch_size is None else batch_size
        coarse = features[-1]
        for number, way in zip(reversed(range(len(levels))), self.ways_up, strict=True):
            if levels[number].nodes is not None:
                coarse = self._unpooled(coarse, places, batches, number, batch_size)
            coarse = way(coarse, features[number], batches[number])
        numbers = self.invariants(coarse)
        whole = global_mean_pool(numbers, batch, batch_size).index_select(0, batch)
        return self.scores(torch.cat([numbers, whole], 1))

    def _unpooled(
        self, coarse: Tensor, places: list[Tensor], batches: list[Tensor], number: int, batch_size: int
    ) -> Tensor:
        """Features of level number + 1 at the points of level number."""
        (fine_pos, coarse_pos), (fine_batch, coarse_batch) = places[number : number + 2], batches[number : number + 2]
        fine, source = knn(
            coarse_pos.detach(), fine_pos.detach(), self.num_neighbors, coarse_batch, fine_batch, batch_size=batch_size
        )
        distance = torch.linalg.vector_norm(fine_pos.index_select(0, fine) - coarse_pos.index_select(0, source), dim=1)
        return interpolate(coarse, torch.stack([source, fine]), distance, (len(coarse_pos), len(fine_pos)))


class _WayUp(torch.nn.Module):
    """Features from below and those of the way down, mixed."""

    def __init__(self, irreps: Irreps, irreps_skip: Irreps, irreps_out: Irreps, normalization: str) -> None:
        super().__init__()
        reachable = {ir for _, ir in irreps + irreps_skip}
        self.act = nonlinearity("gate", irreps_out, reachable, "PointCloudSegmenter", torch.tanh)
        self.linear = Linear(irreps + irreps_skip, self.act.irreps_in)
        self.norm = normalization_resolver(normalization, self.act.irreps_in)
        self.irreps_out = self.act.irreps_out

    def forward(self, features: Tensor, skip: Tensor, batch: Tensor) -> Tensor:
        new = self.linear(torch.cat([features, skip], 1))
        return self.act(new if self.norm is None else self.norm(new, batch))
