"""A model file and a file of clouds: how well the one knows the other."""

from __future__ import annotations

from pathlib import Path

import torch

from eqgraph.model_file import training_section
from eqgraph.models import load_classifier

from .batches import drawn
from .config import PointsDataConfig
from .data import turned
from .evaluate import PointsEvaluation, evaluate_points
from .read import Trained, check_like, read_clouds
from .scores import ClassScores, PartScores


def evaluate_points_file(
    model: Path, data: Path, split: str | None = None, batch_size: int = 64, device: torch.device | str = "cpu"
) -> PointsEvaluation:
    """Predict clouds in a file with a model that `eqgraph train` wrote, prepared as those that it was tested on.

    Args:
        model: path of the model.
        data: path of the clouds.
        split: train, valid or test, of a folder that has splits; None: test.
        batch_size: clouds per step; changes speed and memory only.
        device: where to compute.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no model of point clouds, or the clouds are not like those that it was trained on.
    """
    network, header = load_classifier(model, device)
    metadata, classes = header["metadata"], header["classes"]
    kept = {"train": data, "valid": None, "test": {}, "format": "auto"}
    config = PointsDataConfig.model_validate(training_section(header, "data") | kept)
    per_point, parts = header["task"] == "segmentation", metadata.get("parts") or [list(range(len(classes)))]
    clouds = read_clouds(data, config, split or "test", per_point, f"'{data}'")
    trained = Trained(classes, metadata.get("categories") or clouds.categories, header["irreps_x"])
    clouds = check_like(clouds, trained, config.num_points, f"'{data}'")
    dtype = getattr(torch, header["dtype"])
    clouds.pos, clouds.x = clouds.pos.to(dtype), None if clouds.x is None else clouds.x.to(dtype)
    seed, votes = (
        training_section(header, "training").get(name, default) for name, default in (("seed", 0), ("votes", 1))
    )
    transform = turned(config, clouds.irreps_in)[1]
    draws = (drawn(clouds, config.num_points, transform, seed + vote) for vote in range(votes))
    scores = PartScores(parts, len(classes)) if per_point else ClassScores(len(classes))
    return evaluate_points(network, draws, scores, batch_size, progress=True)
