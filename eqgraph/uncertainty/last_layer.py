"""Uncertainty of energies from the last layer of one network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from eqgraph.models import Potential, PotentialInputs

from .energy_features import energy_features, sums_of_graphs
from .uncertainty import Uncertainty


class LastLayerUncertainty:
    """Variance of energies as if the weights of the last, linear layer had been found by Bayesian linear regression.

    var(E) = α² fᵀ (C + ς²)⁻¹ f    with C = Σ_structures (f / n)(f / n)ᵀ

    f: sum of the features of the n atoms of a structure (see energy_features). C counts a structure by its energy per atom, as the loss
    does. Training forces are left out: their derivatives with respect to the weights cost a backward pass for each feature. That they
    make the weights more certain goes into the one factor α.

    Args:
        covariance: C [eV²].
        regularization: ς² [eV²].
        factor: α [eV], from validation errors.

    Raises:
        ValueError: if these are not finite and positive, or C is no square.

    Example:
        >>> uncertainty = LastLayerUncertainty(torch.diag(torch.tensor([4.0, 1.0])), regularization=1e-9, factor=0.5)
        >>> uncertainty.variance(torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64))
        tensor([0.0625, 1.0000], dtype=torch.float64)

    Reference: Bigi et al. 2024, arXiv:2403.02251.
    """

    def __init__(self, covariance: Tensor, regularization: float, factor: float) -> None:
        covariance = covariance.detach().double()
        if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1] or not covariance.isfinite().all():
            raise ValueError(
                f"LastLayerUncertainty: expected a finite square covariance, got shape {tuple(covariance.shape)}. Fit it again."
            )
        if not (0 < regularization < float("inf") and 0 < factor < float("inf")):
            raise ValueError(
                f"LastLayerUncertainty: expected a positive regularization and factor, got {regularization:g} and {factor:g}. Fit it "
                "again."
            )
        self.covariance, self.regularization, self.factor = covariance, float(regularization), float(factor)
        values, vectors = torch.linalg.eigh(covariance)
        # E = f · w: sqrt of the inverse, so that a variance is a sum of squares and never negative
        self._whitening = self.factor * vectors / (values.clamp(min=0) + self.regularization).sqrt()

    @property
    def num_features(self) -> int:
        """Weights of the last layer."""
        return len(self.covariance)

    def whiten(self, features: Float[Tensor, "rows num_features"]) -> Float[Tensor, "rows num_features"]:
        """Features whose scalar products are covariances of energies [eV²]."""
        self._whitening = self._whitening.to(features.device)
        return features @ self._whitening

    def variance(self, features: Float[Tensor, "rows num_features"]) -> Float[Tensor, " rows"]:
        """Variance [eV²] of the energies of atoms or of structures with these features."""
        return self.whiten(features).square().sum(1)

    def estimate(self, potential: Potential, data: Data | PotentialInputs) -> Uncertainty:
        """Standard deviations of the energy and of the contribution of each atom, of a structure or a batch.

        Args:
            potential: the one for which it was fitted.
            data: a graph or a batch of graphs, or what Potential.inputs makes of it.

        Raises:
            ValueError: if the potential is another one, as far as can be seen, or does not know a species.
        """
        inputs = potential.inputs(data)
        features, batch = energy_features(potential, inputs)
        if features.shape[1] != self.num_features:
            raise ValueError(
                f"LastLayerUncertainty: expected the potential that it was fitted for, with {self.num_features} features, got one with "
                f"{features.shape[1]}. Load both from the same file."
            )
        sums, _ = sums_of_graphs(features, batch, len(inputs.volume))
        return Uncertainty(self.variance(sums).sqrt(), self.variance(features).sqrt())

    def tensors(self) -> dict[str, Tensor]:
        """For a file."""
        numbers = {"regularization": self.regularization, "factor": self.factor}
        as_tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}
        return {"covariance": self.covariance, **as_tensors}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> LastLayerUncertainty:
        """The one whose tensors these are.

        Raises:
            ValueError: if one is missing or makes no sense.
        """
        names = ("covariance", "regularization", "factor")
        if missing := [name for name in names if name not in tensors]:
            raise ValueError(
                f"LastLayerUncertainty: expected tensors {', '.join(names)}, got none called {', '.join(missing)}. Train again."
            )
        return cls(tensors["covariance"], tensors["regularization"].item(), tensors["factor"].item())
