"""The number that training minimizes."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Data

from eqgraph.models import Prediction


def mean_square(predicted: Float[Tensor, "*shape"], labels: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Mean of (predicted - label)² over the finite labels; zero if there are none.

    Example:
        >>> import torch
        >>> mean_square(torch.tensor([1.0, 5.0]), torch.tensor([3.0, torch.nan]))
        tensor(4.)
    """
    labelled = labels.isfinite()
    # where, not a product: the prediction may be NaN too (the stress of a molecule)
    error = (predicted - labels.nan_to_num()).where(labelled, 0.0)
    return error.square().sum() / labelled.sum().clamp(min=1)


class Loss:
    """Weighted sum of mean squared errors, each a mean over the labels that are there.

    L = w_E ⟨((E - E*) / N)²⟩ + w_F ⟨(F - F*)²⟩ + w_S ⟨(σ - σ*)²⟩, where ⟨⟩ runs over structures for the energy (divided by the number N
    of atoms), over atoms and the three components for forces, over structures and the nine components for stress. Missing labels
    (NaN) are not counted, so they do not dilute the others. Units: eV/atom, eV/Å, eV/Å³.

    Args:
        energy: w_E.
        forces: w_F; at zero, forces are not computed.
        stress: w_S; at zero, stress is not computed.
    """

    def __init__(self, energy: float = 1.0, forces: float = 1.0, stress: float = 0.0) -> None:
        self.energy, self.forces, self.stress = energy, forces, stress

    def __call__(self, prediction: Prediction, batch: Data) -> Float[Tensor, ""]:
        return self.of(prediction, batch, batch.batch.bincount(minlength=batch.num_graphs))

    def of(
        self, prediction: Prediction, labels: Data | Mapping[str, Tensor], num_atoms: Int[Tensor, " graphs"]
    ) -> Float[Tensor, ""]:
        """The same for labels in any mapping, given the number of atoms of each structure."""
        loss = self.energy * mean_square(prediction.energy / num_atoms, labels["energy"] / num_atoms)
        if self.forces:
            loss = loss + self.forces * mean_square(prediction.forces, labels["forces"])
        if self.stress:
            loss = loss + self.stress * mean_square(prediction.stress, labels["stress"])
        return loss

    def __repr__(self) -> str:
        return f"Loss(energy={self.energy:g}, forces={self.forces:g}, stress={self.stress:g})"
