"""The clouds of a training: read, split, and what the model takes from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import Compose

from eqgraph.datasets import PointClouds
from eqgraph.transforms import Jitter, RandomScale, protocol

from ..epoch_shuffle import EpochShuffle
from .batches import CloudLoader, drawn
from .config import PointsConfig, PointsDataConfig
from .read import Trained, check_like, check_sizes, read_clouds
from .scores import ClassScores, PartScores


def turned(data: PointsDataConfig, irreps: str) -> tuple[Callable[[Data], Data], Callable[[Data], Data]]:
    """How clouds are turned in training and in tests."""
    return protocol("none/none" if data.protocol == "none" else data.protocol, irreps)


class PointsData(LightningDataModule):
    """Reads everything that a config names, before the training begins: what is wrong with the last test file is said at once.

    Attributes:
        train: PointClouds.
        order: of these in training.
        valid: PointClouds with points and rotations drawn once, or None.
        test: name -> PointClouds as they were read.
        classes: their names.
        irreps: of the features of points.
        hash: of the training and validation clouds.

    Args:
        config: what to read.

    Raises:
        ValueError, FileNotFoundError: if a file is missing, or sets do not fit together: names the key of the config.
    """

    def __init__(self, config: PointsConfig) -> None:
        super().__init__()
        self.config = config
        data, per_point = config.data, config.task == "segmentation"
        clouds = read_clouds(data.train, data, "train", per_point, "data.train")
        self.classes, self.irreps = clouds.classes, clouds.irreps_in
        self.per_point, self.parts = per_point, clouds.parts
        check_sizes(clouds, data.num_points, "data.train")
        self.train, valid = clouds, None
        if isinstance(data.valid, Path):
            valid = self._like_train(read_clouds(data.valid, data, "valid", per_point, "data.valid"), "data.valid")
        elif data.valid is not None:
            self.train, valid = self._split(clouds)
        self._check_classes()
        self.test = {
            name: self._like_train(read_clouds(path, data, "test", per_point, where), where)
            for name, path in data.test.items()
            if (where := f"data.test.{name}")
        }
        self.hash = _hash([self.train, *([valid] if valid is not None else [])])
        dtype = getattr(torch, config.training.dtype)
        for each in (self.train, valid, *self.test.values()):
            if each is not None:
                each.pos, each.x = each.pos.to(dtype), None if each.x is None else each.x.to(dtype)
        self.valid_as_read = valid
        self.valid = valid and self.drawn(valid)
        self.order = EpochShuffle(len(self.train), config.training.seed)

    @property
    def edges_per_step(self) -> float:
        """Of the first layer, in a mean batch."""
        config = self.config
        points = config.data.num_points or float(self.train.num_points.double().mean())
        return points * min(config.training.batch_size, len(self.train)) * config.model.network.neighbors[0]

    def train_dataloader(self) -> CloudLoader:
        data, training = self.config.data, self.config.training
        steps = [turned(data, self.irreps)[0]]
        if data.scale is not None:
            steps.append(RandomScale(*data.scale))
        if data.jitter:
            steps.append(Jitter(data.jitter, clip=5 * data.jitter))
        return CloudLoader(
            self.train,
            training.batch_size,
            self.order,
            data.num_points,
            data.point_dropout,
            Compose(steps),
        )

    def val_dataloader(self) -> CloudLoader:
        return CloudLoader(self.valid, self.config.training.valid_batch_size)

    def drawn(self, clouds: PointClouds, vote: int = 0) -> PointClouds:
        """Clouds to evaluate on, as the protocol turns them."""
        data = self.config.data
        return drawn(clouds, data.num_points, turned(data, self.irreps)[1], self.config.training.seed + vote)

    def new_scores(self) -> ClassScores:
        """Scores for these classes."""
        return PartScores(self.parts, len(self.classes)) if self.per_point else ClassScores(len(self.classes))

    def class_counts(self) -> Tensor:
        """(classes,) training clouds or points of each class."""
        labels = self.train.y if self.per_point else self.train.labels
        return labels.bincount(minlength=len(self.classes))

    def _like_train(self, clouds: PointClouds, where: str) -> PointClouds:
        trained = Trained(self.classes, self.train.categories, self.irreps)
        return check_like(clouds, trained, self.config.data.num_points, where)

    def _split(self, clouds: PointClouds) -> tuple[PointClouds, PointClouds]:
        """Hold out clouds at random, as the seed says; both parts keep their order."""
        valid = self.config.data.valid
        count = valid if isinstance(valid, int) else max(1, round(valid * len(clouds)))
        if count >= len(clouds):
            raise ValueError(
                f"Expected data.valid to leave training clouds, came {valid} of {len(clouds)} clouds. Lower data.valid or add clouds "
                "to data.train."
            )
        generator = torch.Generator().manual_seed(self.config.training.seed_of_split)
        held_out = torch.zeros(len(clouds), dtype=torch.bool)
        held_out[torch.randperm(len(clouds), generator=generator)[:count]] = True
        return clouds.select(~held_out), clouds.select(held_out)

    def _check_classes(self) -> None:
        if len(self.train) < 2 or len(self.classes) < 2:
            raise ValueError(
                f"data.train: expected at least 2 clouds and 2 classes, came {len(self.train)} and {len(self.classes)} "
                f"({', '.join(self.classes)}). Add some."
            )
        counts = self.class_counts().tolist()
        if empty := [name for name, count in zip(self.classes, counts, strict=True) if count == 0]:
            raise ValueError(
                f"data.train: expected training clouds of every class, came none of {', '.join(empty)}. Add some, or leave these "
                "classes out of data.classes."
            )


def _hash(sets: list[PointClouds]) -> str:
    """SHA-256 of coordinates, features and labels."""
    digest = hashlib.sha256()
    for clouds in sets:
        for tensor in (clouds.pos, clouds.ptr, clouds.x, clouds.y, clouds.labels):
            if tensor is not None:
                digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
