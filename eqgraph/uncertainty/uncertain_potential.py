"""A potential that says how wrong it may be."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod

import torch
from torch_geometric.data import Data

from eqgraph.models import Potential, PotentialInputs, Prediction, load_potential

from .last_layer import LastLayerUncertainty
from .last_layer_file import last_layer_of
from .trained_range import TrainedRange
from .uncertainty import Uncertainty


class UncertainPotential(torch.nn.Module, ABC):
    """One potential or several that predict together.

    Attributes:
        potential: whose cutoff, species, isolated energies and features are those of all.
        trained_range: what it was trained on; None if the file does not say so.
    """

    potential: Potential
    trained_range: TrainedRange | None

    @property
    @abstractmethod
    def has_uncertainty(self) -> bool:
        """Whether predictions come with uncertainties."""

    @property
    @abstractmethod
    def has_forces_uncertainty(self) -> bool:
        """Whether these include forces."""

    @abstractmethod
    def predict(
        self, data: Data | PotentialInputs, uncertainty: bool = True, **asked: bool
    ) -> tuple[Prediction, Uncertainty | None]:
        """What Potential.forward predicts, and how uncertain it is.

        Args:
            data: graph or batch of graphs, or what Potential.inputs makes of it.
            uncertainty: whether to compute it where that costs something.
            **asked: forces, stress ... of Potential.forward.
        """

    def forward(self, data: Data, **asked: bool) -> Prediction:
        """The prediction alone."""
        return self.predict(data, uncertainty=False, **asked)[0]

    @staticmethod
    def of(model: Potential | UncertainPotential) -> UncertainPotential:
        """A potential without uncertainties where it has none."""
        return model if isinstance(model, UncertainPotential) else LastLayerPotential(model)


class LastLayerPotential(UncertainPotential):
    """One potential, with the uncertainty of its last layer if it has one; costs one more pass without gradients.

    Args:
        potential: makes the predictions.
        last_layer: fitted to it, or None.
        trained_range: what it was trained on, if that is known.

    Example:
        >>> from eqgraph.models import build_potential
        >>> alone = LastLayerPotential(build_potential("nequip", {"num_layers": 2}, [1], 4.0, [-13.6], [1.0], 9.0))
        >>> alone.has_uncertainty
        False
    """

    def __init__(
        self,
        potential: Potential,
        last_layer: LastLayerUncertainty | None = None,
        trained_range: TrainedRange | None = None,
    ) -> None:
        super().__init__()
        self.potential, self.last_layer, self.trained_range = potential, last_layer, trained_range

    @classmethod
    def load(cls, path: str | os.PathLike, device: torch.device | str = "cpu") -> LastLayerPotential:
        """From a model file, which may be an old one without uncertainty.

        Raises:
            FileNotFoundError, ValueError: as load_potential.
        """
        potential, header = load_potential(path, device)
        return cls(potential, last_layer_of(path), TrainedRange.of_header(header))

    @property
    def has_uncertainty(self) -> bool:
        return self.last_layer is not None

    @property
    def has_forces_uncertainty(self) -> bool:
        return False

    def predict(
        self, data: Data | PotentialInputs, uncertainty: bool = True, **asked: bool
    ) -> tuple[Prediction, Uncertainty | None]:
        prediction = self.potential(data, **asked)
        if self.last_layer is None or not uncertainty:
            return prediction, None
        return prediction, self.last_layer.estimate(self.potential, data)
