"""What a YAML file may say about networks of point clouds, besides the keys of the architecture."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from .sizes import Width


class PointCloudConfig(BaseModel):
    """Graphs and heads of point clouds; the fields of the architecture (num_layers among them) stand beside these.

    Example:
        >>> from eqgraph.models import CLASSIFIERS
        >>> config = CLASSIFIERS["tensor_field_network"][0](num_layers=2, num_points=[128, 32], num_neighbors=[32, 16])
        >>> config.neighbors, config.points
        ([32, 16], [128, 32])
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_neighbors: Width | list[Width] = Field(
        16, description="nearest neighbors of each point, itself among them: one number, or one for each layer"
    )
    num_points: list[PositiveInt | None] | None = Field(
        None,
        description="points that are left after each layer (farthest point sampling; null: as many as before), or null for all points "
        "in all layers",
    )
    center: bool = Field(
        True, description="tell the network where each point is as seen from the centroid; false: neighborhoods alone"
    )
    invariants: Literal["norm", "power", "bispectrum"] = Field(
        "norm", description="what features are turned into before classes are told: norms, power spectrum or bispectrum"
    )
    num_invariant_channels: Width = Field(
        64,
        description="channels per irrep from which invariants are made (at most 16 for a power spectrum, 4 for a bispectrum)",
    )
    head_hidden: list[Width] = Field([128], description="hidden widths of the network from invariants to classes")
    dropout: float = Field(
        0.3, ge=0, lt=1, description="fraction of the hidden numbers of that network dropped in training"
    )

    @property
    def neighbors(self) -> list[int]:
        """Of each layer."""
        several = isinstance(self.num_neighbors, list)
        return list(self.num_neighbors) if several else [self.num_neighbors] * self.num_layers

    @property
    def points(self) -> list[int | None]:
        """Of each layer."""
        return [None] * self.num_layers if self.num_points is None else list(self.num_points)

    @model_validator(mode="after")
    def _check_lengths(self) -> PointCloudConfig:
        for name, values in (("num_neighbors", self.neighbors), ("num_points", self.points)):
            if len(values) != self.num_layers:
                raise ValueError(
                    f"{name}: expected one number for each of num_layers = {self.num_layers} layers, got {len(values)}: {values}"
                )
        counts = [count for count in self.points if count is not None]
        if sorted(counts, reverse=True) != counts:
            raise ValueError(f"num_points: expected fewer and fewer points, got {counts}")
        return self
