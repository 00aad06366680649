"""Files of classifiers and segmenters of point clouds."""

import os
from collections.abc import Sequence

import torch

from eqgraph.model_file import format_name

from .build_points import CLASSIFIERS, build_classifier, build_segmenter
from .point_cloud_classifier import PointCloudClassifier
from .point_cloud_segmenter import PointCloudSegmenter
from .tensors_file import read_model, write_model

KIND = "eqgraph-points"

_BUILD = {PointCloudClassifier: build_classifier, PointCloudSegmenter: build_segmenter}
_TASKS = {"classification": PointCloudClassifier, "segmentation": PointCloudSegmenter}


def save_classifier(
    path: str | os.PathLike,
    model: PointCloudClassifier | PointCloudSegmenter,
    classes: Sequence[str],
    metadata: dict | None = None,
) -> None:
    """Write a classifier or segmenter with all that is needed to use it again.

    The file appears whole or not at all.

    Args:
        path: destination, usually *.eqg.
        model: what build_classifier or build_segmenter made.
        classes: their names, in the order of the scores.
        metadata: anything that JSON can hold, kept with the model.

    Raises:
        ValueError: if there are not as many names as classes, metadata cannot be written as JSON, or the model is another one.
        OSError: if the disk is full or the folder cannot be written; an older file at path is then left intact.
    """
    config = model.encoder.config
    tasks = [task for task, kind in _TASKS.items() if type(model) is kind]
    names = [name for name, (config_class, _) in CLASSIFIERS.items() if type(config) is config_class]
    if not tasks or not names:
        raise ValueError(
            f"save_classifier: expected what build_classifier or build_segmenter made, got {type(model).__name__} with a "
            f"{type(config).__name__}. Save its state_dict instead."
        )
    if len(classes) != model.num_classes:
        raise ValueError(
            f"save_classifier: expected {model.num_classes} names of classes, got {len(classes)}: {list(classes)}. Name each score."
        )
    header = {
        "format": format_name(KIND),
        "task": tasks[0],
        "architecture": names[0],
        "config": config.model_dump(mode="json"),
        "classes": [str(name) for name in classes],
        "irreps_x": str(model.encoder.irreps_x),
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        "metadata": metadata or {},
    }
    write_model(path, model, header, "save_classifier")


def load_classifier(
    path: str | os.PathLike, device: torch.device | str = "cpu"
) -> tuple[PointCloudClassifier | PointCloudSegmenter, dict]:
    """Read a classifier or segmenter back, in evaluation mode, together with the metadata it was saved with.

    Returns:
        The model and its header: keys format, eqgraph_version, torch_version, task, architecture, config, num_parameters, classes,
        irreps_x, dtype, metadata, sha256.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a model of point clouds, is damaged, or comes from a newer format.
    """
    model, header = read_model(path, KIND, _built, "load_classifier")
    return model.to(device), header


def _built(header: dict) -> PointCloudClassifier | PointCloudSegmenter:
    build = _BUILD[_TASKS[header["task"]]]
    model = build(header["architecture"], header["config"], len(header["classes"]), header["irreps_x"])
    return model.to(getattr(torch, header["dtype"]))
