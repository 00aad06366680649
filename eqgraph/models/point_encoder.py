"""From the coordinates of points to equivariant features of them."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from eqgraph.nn import BesselBasis
from eqgraph.o3 import Irreps, SphericalHarmonics
from eqgraph.ops import segment_sum

from .point_cloud_config import PointCloudConfig
from .point_graph import Level, knn_levels

_RADIUS = 4.0
"""Distance from the centroid, in units of the root mean square of a cloud, where the basis of the distance ends."""


class Encoding(NamedTuple):
    """Features of the points at all levels, the finest first."""

    features: list[Tensor]
    """(nodes, irreps.dim) of each; or of the last alone."""
    pos: list[Tensor]
    """(nodes, 3) of each, from the centroid."""
    batch: list[Tensor]
    """(nodes,) of each."""
    levels: list[Level]
    """From each to the next."""


class PointEncoder(torch.nn.Module):
    """Centre the clouds, build the graphs of all layers, and run a network on them.

    The network sees of each point a one, its own features, and, if the config says so, b_n(|p| / s) Y(p / |p|) with p from the
    centroid to the point and s the root mean square of |p| in the cloud: equivariant, and blind to scale and translation.

    Args:
        build: from irreps of the input and numbers of neighbors (one for each layer) to a network that maps (x, levels) to the features
            of all levels, or by its method `last` to those of the last; with an attribute irreps.
        config: graphs.
        irreps_x: irreps of the points' own features, "" for none: "1x1o" for normals, "3x0e" for colors.

    Attributes:
        irreps: of all levels.

    Example:
        >>> from eqgraph.models import CLASSIFIERS, TensorFieldNetwork
        >>> config = CLASSIFIERS["tensor_field_network"][0](num_layers=1, num_features=4)
        >>> encoder = PointEncoder(lambda irreps, numbers: TensorFieldNetwork(config, irreps, numbers), config)
        >>> encoder(torch.randn(20, 3)).features[-1].shape
        torch.Size([20, 36])
    """

    def __init__(
        self,
        build: Callable[[Irreps, list[float]], torch.nn.Module],
        config: PointCloudConfig,
        irreps_x: Irreps | str = "",
    ) -> None:
        super().__init__()
        self.config, self.irreps_x = config, Irreps(irreps_x)
        harmonics = Irreps.spherical_harmonics(config.lmax)
        radial = [(config.num_radial, ir) for _, ir in harmonics] if config.center else []
        self.spherical_harmonics = SphericalHarmonics(harmonics, True, "component", backend=config.backend)
        self.radial_basis = BesselBasis(config.num_radial, _RADIUS, trainable=False)
        self.network = build(Irreps([(1, "0e"), *radial]) + self.irreps_x, [float(k) for k in config.neighbors])
        self._dims = [ir.dim for _, ir in harmonics]
        self._dim_x, self._text_x = self.irreps_x.dim, str(self.irreps_x)

    @property
    def irreps(self) -> list[Irreps]:
        """Of the features at all levels, the input first."""
        return self.network.irreps

    def forward(
        self,
        pos: Tensor,
        batch: Tensor | None = None,
        x: Tensor | None = None,
        batch_size: int | None = None,
        last: bool = False,
    ) -> Encoding:
        """Features of all levels.

        Args:
            pos: (points, 3).
            batch: (points,) int64, the cloud of each point, ascending; None: all in one cloud.
            x: (points, irreps_x.dim) the points' own features.
            batch_size: number of clouds; if None, found by looking at batch.
            last: whether the features of the last level are enough.

        Raises:
            ValueError: for an empty cloud (names it), coordinates that are not finite, or a shape that does not fit.
        """
        self._check(pos, x)
        dtype = next(self.network.parameters()).dtype
        batch = pos.new_zeros(len(pos), dtype=torch.int64) if batch is None else batch
        number = self._numbers(pos, batch, batch_size)
        batch_size = len(number)
        with torch.autocast(pos.device.type, enabled=False):
            # float64: clouds far from the origin lose no digits
            far = pos.double()
            pos = (far - (segment_sum(far, batch, batch_size) / number.unsqueeze(1)).index_select(0, batch)).to(dtype)
            levels = knn_levels(pos, batch, batch_size, self.config.points, self.config.neighbors)
            features = [pos.new_ones(len(pos), 1)]
            if self.config.center:
                square = segment_sum(pos.square().sum(1), batch, batch_size) / number
                scale = torch.where(square > 0, square, 1.0).sqrt()  # a single point has no scale
                features.extend(self._around_the_centroid(pos / scale.index_select(0, batch).unsqueeze(1)))
            if x is not None:
                features.append(x.to(dtype))
            x = torch.cat(features, 1)
        places, batches = [pos], [batch]
        for level in levels:
            places.append(places[-1] if level.nodes is None else places[-1].index_select(0, level.nodes))
            batches.append(level.batch)
        features = [self.network.last(x, levels)] if last else self.network(x, levels)
        return Encoding(features, places, batches, levels)

    def _around_the_centroid(self, p: Tensor) -> list[Tensor]:
        """(points, 3) -> (points, num_radial (2l + 1)) for each degree."""
        radial = self.radial_basis(torch.linalg.vector_norm(p, dim=1))
        harmonics = self.spherical_harmonics(p)
        return [(radial.unsqueeze(2) * part.unsqueeze(1)).flatten(1) for part in harmonics.split(self._dims, 1)]

    def _check(self, pos: Tensor, x: Tensor | None) -> None:
        if pos.dim() != 2 or pos.shape[1] != 3:
            raise ValueError(
                f"PointEncoder: expected pos of shape (points, 3), got {tuple(pos.shape)}. Give points of a plane a third coordinate 0."
            )
        width = None if x is None else tuple(x.shape)
        if width != ((len(pos), self._dim_x) if self._dim_x else None):
            expected = f"x of shape ({len(pos)}, {self._dim_x}) ('{self._text_x}')" if self._dim_x else "no x"
            raise ValueError(
                f"PointEncoder: expected {expected}, got {'none' if x is None else width}. Give the features that irreps_x names."
            )

    def _numbers(self, pos: Tensor, batch: Tensor, batch_size: int | None) -> Tensor:
        """(clouds,) how many points each has."""
        if batch.shape != pos.shape[:1] or batch.is_floating_point():
            raise ValueError(
                f"PointEncoder: expected batch to be {len(pos)} whole numbers, got shape {tuple(batch.shape)} of {batch.dtype}. Give "
                "the cloud of each point."
            )
        if (batch[1:] < batch[:-1]).any():
            raise ValueError(
                "PointEncoder: expected points sorted by cloud, got a batch that descends. Sort them by batch."
            )
        number = batch.bincount(minlength=1 if batch_size is None else batch_size)
        if (number == 0).any() or (batch_size is not None and len(number) > batch_size):
            raise ValueError(
                f"PointEncoder: expected points in each of {len(number) if batch_size is None else batch_size} clouds, got "
                f"{number.tolist()} points. Leave out empty clouds (the first is number {int((number == 0).int().argmax())})."
            )
        finite = pos.isfinite().all(1)
        if not finite.all():
            point = int((~finite).nonzero()[0])
            raise ValueError(
                f"PointEncoder: expected finite coordinates, got {pos[point].tolist()} for point {point} in cloud {int(batch[point])}. "
                "Remove or repair it."
            )
        return number
