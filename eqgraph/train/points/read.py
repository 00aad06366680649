"""Clouds from files, as a config says."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import Compose

from eqgraph.datasets import PointClouds, read_point_clouds
from eqgraph.datasets.point_clouds import list_point_clouds
from eqgraph.o3 import Irreps
from eqgraph.transforms import EstimateNormals, Normalize

from .batches import drawn
from .config import PointsDataConfig


def read_clouds(path: Path, data: PointsDataConfig, split: str | None, per_point: bool, where: str) -> PointClouds:
    """All clouds of a file, or those of a split of a folder that has splits, with normals and sizes as the config says.

    Args:
        path: of the file or folder.
        data: how to read them.
        split: train, valid or test; None: all.
        per_point: whether points have classes.
        where: the key of the config, for messages.

    Raises:
        ValueError, FileNotFoundError: if there is nothing to read, or classes are of clouds and not of points, or the other way round.
    """
    listing = list_point_clouds(path, data.format)
    if path.is_file() or all(entry.split is None for entry in listing.entries):
        split = None
    classes = data.classes
    if classes and split != "train":  # other sets need not have all of them
        classes = [name for name in classes if name in listing.label_names] or classes
    clouds = read_point_clouds(
        path,
        split,
        data.format,
        data.read_points,
        classes,
        normals=data.normals,
        irreps=data.irreps,
    )
    if clouds.per_point != per_point:
        expected, came, task = (
            ("points", "clouds", "classification") if per_point else ("clouds", "points", "segmentation")
        )
        raise ValueError(
            f"{where}: expected classes of {expected}, came classes of {came} in '{path}'. Set task: {task}, or choose another file."
        )
    steps: list[Callable[[Data], Data]] = []
    if data.estimate_normals is not None:
        steps.append(EstimateNormals(data.estimate_normals))
    if data.normalize is not None:
        steps.append(Normalize(data.normalize))
    if steps:
        clouds = drawn(clouds, None, Compose(steps), seed=0)
    if data.estimate_normals is not None:
        clouds.irreps_in = str(Irreps(f"{clouds.irreps_in} + 1x1o" if clouds.irreps_in else "1x1o"))
    return clouds


class Trained(NamedTuple):
    """What a model knows of the clouds that it was trained on."""

    classes: list[str]
    categories: list[str]  # of clouds whose points have classes
    irreps: str  # of the features of points


def check_like(clouds: PointClouds, trained: Trained, num_points: int | None, where: str) -> PointClouds:
    """The clouds with classes counted as those of the training clouds.

    Args:
        clouds: to look at.
        trained: what they have to be like.
        num_points: how many points are drawn.
        where: the key of the config, for messages.

    Raises:
        ValueError: if they have classes that are not trained, other features, or fewer points.
    """
    if Irreps(clouds.irreps_in) != Irreps(trained.irreps):
        raise ValueError(
            f"{where}: expected features of points as in training ('{trained.irreps}'), came '{clouds.irreps_in}'. Give all files the "
            "same features, or set data.normals=false to leave out normals."
        )
    check_sizes(clouds, num_points, where)
    result = copy.copy(clouds)
    result.classes = list(trained.classes)
    if clouds.y is None:
        result.labels = _counted_as(clouds.labels, clouds.classes, trained.classes, "classes", where)
    else:
        result.y = _counted_as(clouds.y, clouds.classes, trained.classes, "classes", where)
        result.categories = list(trained.categories)
        result.labels = _counted_as(clouds.labels, clouds.categories, trained.categories, "categories", where)
    return result


def _counted_as(labels: Tensor, names: list[str], trained: list[str], what: str, where: str) -> Tensor:
    occurring = [names[label] for label in labels.unique().tolist()]
    if unknown := [name for name in occurring if name not in trained]:
        raise ValueError(
            f"{where}: expected only {what} that are trained ({_some(trained)}), came {_some(unknown)}. Add training clouds of them, "
            "or choose classes with data.classes."
        )
    return torch.tensor([trained.index(name) if name in trained else -1 for name in names])[labels]


def check_sizes(clouds: PointClouds, num_points: int | None, where: str) -> None:
    """Refuse clouds of fewer points than are to be drawn.

    Raises:
        ValueError: names the smallest.
    """
    smallest = int(clouds.num_points.argmin())
    if num_points is not None and num_points > int(clouds.num_points[smallest]):
        raise ValueError(
            f"{where}: expected clouds of at least data.num_points = {num_points} points, came {int(clouds.num_points[smallest])} in "
            f"'{clouds.names[smallest]}'. Lower data.num_points; on meshes, raise data.read_points."
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
