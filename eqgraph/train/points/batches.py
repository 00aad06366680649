"""Batches of clouds that are in memory, without a Data object for each cloud."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data

from eqgraph.datasets import PointClouds

from ..epoch_shuffle import EpochShuffle

_CLOUDS_PER_CHUNK = 256
"""In which `drawn` works. Random numbers depend on it, so it is not the batch size of anybody."""


def cloud_batch(
    clouds: PointClouds, index: Sequence[int] | Tensor, num_points: int | None = None, dropout: float = 0.0
) -> Data:
    """Some clouds as one Data with pos, batch, y, num_graphs and, where there are features, x; with point labels, category.

    Args:
        clouds: that are in memory.
        index: which.
        num_points: draw so many points of each at random; None: all, in their order.
        dropout: leave out a part of these, drawn uniformly from [0, dropout] for each cloud; one point always stays.

    Example:
        >>> import numpy as np
        >>> clouds = PointClouds([np.zeros((5, 3)), np.ones((4, 3))], [1, 0], ["ball", "cube"])
        >>> cloud_batch(clouds, [1, 0], num_points=2)
        Data(y=[2], pos=[4, 3], batch=[4], num_graphs=2)
    """
    index = torch.as_tensor(index, dtype=torch.int64)
    starts, sizes = clouds.ptr[index], clouds.num_points[index]
    counts = sizes if num_points is None else sizes.clamp(max=num_points)
    if dropout:
        counts = (counts * (1 - dropout * torch.rand(len(counts)))).round().long().clamp(min=1)
    batch = torch.repeat_interleave(counts)
    if num_points is None and not dropout:
        rows = torch.arange(len(batch)) + (starts - counts.cumsum(0) + counts)[batch]
    else:
        numbers = zip(starts.tolist(), sizes.tolist(), counts.tolist(), strict=True)
        rows = torch.cat([torch.randperm(size)[:count] + start for start, size, count in numbers])
    labels = clouds.labels[index]
    data = Data(pos=clouds.pos[rows], batch=batch, y=labels if clouds.y is None else clouds.y[rows])
    data.num_graphs = len(index)
    if clouds.y is not None:
        data.category = labels
    if clouds.x is not None:
        data.x = clouds.x[rows]
    return data


def drawn(clouds: PointClouds, num_points: int | None, transform: Callable[[Data], Data], seed: int) -> PointClouds:
    """The clouds with points and transforms drawn once, so that every evaluation sees the same.

    Args:
        clouds: as they were read.
        num_points: see cloud_batch.
        transform: of a batch.
        seed: of what is drawn; the state of torch's generator does not change.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        parts = [
            transform(cloud_batch(clouds, chunk, num_points))
            for chunk in torch.arange(len(clouds)).split(_CLOUDS_PER_CHUNK)
        ]
    result = copy.copy(clouds)
    counts = torch.cat([part.batch.bincount(minlength=part.num_graphs) for part in parts])
    result.ptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    result.pos = torch.cat([part.pos for part in parts])
    result.x = None if parts[0].x is None else torch.cat([part.x for part in parts])
    result.y = None if clouds.y is None else torch.cat([part.y for part in parts])
    return result


class CloudLoader:
    """Batches of almost equal size: at most one cloud more than asked for, and never a cloud alone, which has no batch statistics.

    Args:
        clouds: that are in memory.
        batch_size: clouds per batch.
        sampler: their order, see `EpochShuffle`; None: as they are.
        num_points: see cloud_batch.
        dropout: see cloud_batch.
        transform: of every batch.
    """

    batch_sampler = None  # Lightning asks for the sampler of this first

    def __init__(
        self,
        clouds: PointClouds,
        batch_size: int,
        sampler: torch.utils.data.Sampler[int] | None = None,
        num_points: int | None = None,
        dropout: float = 0.0,
        transform: Callable[[Data], Data] | None = None,
    ) -> None:
        self.clouds, self.batch_size = clouds, batch_size
        self.sampler = sampler or torch.utils.data.SequentialSampler(clouds)
        self.num_points, self.dropout, self.transform = num_points, dropout, transform

    def __len__(self) -> int:
        return max(1, min(-(-len(self.clouds) // self.batch_size), len(self.clouds) // 2))

    def __iter__(self) -> Iterator[Data]:
        first = self.sampler.first_batch if isinstance(self.sampler, EpochShuffle) else 0
        for index in torch.tensor(list(self.sampler)).tensor_split(len(self))[first:]:
            data = cloud_batch(self.clouds, index, self.num_points, self.dropout)
            yield data if self.transform is None else self.transform(data)
