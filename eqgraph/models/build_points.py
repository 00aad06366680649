"""The networks of point clouds by name."""

import copy
from collections.abc import Callable
from typing import Literal

import torch
from pydantic import BaseModel, Field, create_model
from torch import Tensor

from eqgraph.o3 import Irreps

from .nequip import NequIP, NequIPConfig
from .point_cloud_classifier import PointCloudClassifier
from .point_cloud_config import PointCloudConfig
from .point_cloud_segmenter import PointCloudSegmenter
from .point_encoder import PointEncoder
from .point_graph import Level
from .se3_transformer import SE3Transformer, SE3TransformerConfig
from .tensor_field_network import TensorFieldNetwork, TensorFieldNetworkConfig


class FlatNetwork(torch.nn.Module):
    """A network of interatomic potentials, whose graph is the same in all layers, as an encoder of points.

    Args:
        build: from irreps of the points' features and the average number of neighbors to a network with a method `encode`.
        irreps_in: irreps of the points' features.
        numbers: of neighbors, for each layer.
        config: graphs.

    Attributes:
        irreps: of the input and of the features.

    Raises:
        ValueError: if layers are to have different graphs.
    """

    def __init__(
        self,
        build: Callable[[Irreps, float], torch.nn.Module],
        irreps_in: Irreps,
        numbers: list[float],
        config: PointCloudConfig,
    ) -> None:
        super().__init__()
        if any(count is not None for count in config.points) or len(set(numbers)) > 1:
            raise ValueError(
                f"{type(config).__name__}: expected one graph of all points for all layers, got num_points={config.points} and "
                f"num_neighbors={config.neighbors}. Leave out num_points, or take tensor_field_network or se3_transformer."
            )
        self.network = build(irreps_in, numbers[0])
        del self.network.readout  # of energies
        self.irreps = [irreps_in, *[self.network.irreps_out] * len(numbers)]

    def forward(self, x: Tensor, levels: list[Level]) -> list[Tensor]:
        """(x, levels) -> x and the features, the same of all levels."""
        return [x, *[self.last(x, levels)] * len(levels)]

    def last(self, x: Tensor, levels: list[Level]) -> Tensor:
        """The features after the last layer."""
        species = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        return self.network.encode(species, levels[0].edge_vec, levels[0].edges, x)


def _points_config(config_class: type[BaseModel], **defaults) -> type[BaseModel]:
    """The fields of an architecture, with other defaults, and those of point clouds."""
    fields = {}
    for key, value in defaults.items():
        field = copy.copy(config_class.model_fields[key])
        field.default = value
        fields[key] = (field.annotation, field)
    name = config_class.__name__.removesuffix("Config") + "PointsConfig"
    # a field of the base class cannot be taken back
    fields["dipole"] = (Literal[False], Field(False, exclude=True, description="of potentials alone"))
    return create_model(name, __base__=(PointCloudConfig, config_class), **fields)


def _flat_nequip(config: BaseModel, irreps_in: Irreps, numbers: list[float]) -> FlatNetwork:
    return FlatNetwork(lambda irreps, number: NequIP(config, 1, 1.0, number, irreps), irreps_in, numbers, config)


CLASSIFIERS: dict[str, tuple[type[BaseModel], Callable[[BaseModel, Irreps, list[float]], torch.nn.Module]]] = {
    "tensor_field_network": (_points_config(TensorFieldNetworkConfig, normalization="layer"), TensorFieldNetwork),
    "se3_transformer": (_points_config(SE3TransformerConfig, normalization="layer"), SE3Transformer),
    "nequip": (_points_config(NequIPConfig, num_layers=3, normalization="layer"), _flat_nequip),
}
"""Name of an architecture -> its config for point clouds, and what makes the network of config, irreps and numbers of neighbors."""


def build_classifier(
    architecture: str, config: BaseModel | dict, num_classes: int, irreps_x: Irreps | str = ""
) -> PointCloudClassifier:
    """A classifier with freshly drawn weights.

    Args:
        architecture: name in CLASSIFIERS.
        config: the architecture's config for points, or a dict of its fields.
        num_classes: number of classes.
        irreps_x: irreps of the features of points, "" for none.

    Raises:
        ValueError: for an unknown architecture or a value that its config refuses.

    Example:
        >>> build_classifier("nequip", {"num_layers": 2, "num_features": 4}, num_classes=7).num_classes
        7
    """
    return PointCloudClassifier(_encoder("build_classifier", architecture, config, irreps_x), num_classes)


def build_segmenter(
    architecture: str, config: BaseModel | dict, num_classes: int, irreps_x: Irreps | str = ""
) -> PointCloudSegmenter:
    """A segmenter with freshly drawn weights: arguments as build_classifier.

    Example:
        >>> build_segmenter("tensor_field_network", {"num_features": 4}, num_classes=5).num_classes
        5
    """
    return PointCloudSegmenter(_encoder("build_segmenter", architecture, config, irreps_x), num_classes)


def _encoder(who: str, architecture: str, config: BaseModel | dict, irreps_x: Irreps | str) -> PointEncoder:
    if architecture not in CLASSIFIERS:
        raise ValueError(
            f"{who}: expected an architecture among {sorted(CLASSIFIERS)}, got {architecture!r}. Choose one of these."
        )
    config_class, network = CLASSIFIERS[architecture]
    config = config_class.model_validate(config)
    return PointEncoder(lambda irreps, numbers: network(config, irreps, numbers), config, irreps_x)
