"""The number that training minimizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from ase.data import atomic_numbers
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Data

from eqgraph.models import Prediction

from ..processes import num_processes, sum_over_processes
from .error_functions import error_function
from .loss_config import ForcesTermConfig, LossConfig, TermConfig

_PER_ATOM = ("energy", "virial")


class Target(NamedTuple):
    """What a property of a batch should be."""

    labels: Tensor
    """Zero where there is none; energies and virials per atom."""
    weights: Tensor
    """Of the same shape: how much each number counts, zero where there is no label."""


class Loss:
    """Weighted sum of mean errors, each a mean over the labels that are there.

    L = w_E ⟨f((E - E*) / N)⟩ + w_F ⟨f(F - F*)⟩ + w_S ⟨f(σ - σ*)⟩ + w_W ⟨f((W - W*) / N)⟩ + w_D ⟨f(μ - μ*)⟩

    where f is e², |e| or Huber's function, ⟨⟩ runs over structures for the energy (divided by the number N of atoms), over atoms and
    the three components for forces, over structures and the nine or three components for stress, virial and dipole moment. Missing
    labels (NaN) are not counted, so they do not dilute the others. Units: eV/atom, eV/Å, eV/Å³, eV/atom, e·Å.

    A structure may have a weight (`weight` of the batch), an element too (forces): ⟨f⟩ = Σ w f / n with the number n of labels whose
    weight is not zero. So a structure of weight 2 pulls twice as hard, whatever it shares a batch with, and one of weight zero is not
    there. In several processes n is that of all of them: the mean of their gradients is that of one process with all
    their structures.

    Args:
        energy: w_E, or {weight, function (mse, mae or huber), delta}, see TermConfig.
        forces: w_F, or the same and elements, {symbol: weight}; at zero in all stages, forces are not computed.
        stress: w_S, or the same as for the energy; at zero, stress is not computed.
        virial: w_W, or the same; it needs labels of the stress.
        dipole: w_D, or the same; the network must predict dipole moments.
        stages: other weights of these later on, of each stage those of all properties.

    Attributes:
        terms: property -> TermConfig, of the properties that have a weight in some stage.
    """

    def __init__(
        self,
        energy: float | dict[str, Any] | TermConfig = 1.0,
        forces: float | dict[str, Any] | ForcesTermConfig = 1.0,
        stress: float | dict[str, Any] | TermConfig = 0.0,
        virial: float | dict[str, Any] | TermConfig = 0.0,
        dipole: float | dict[str, Any] | TermConfig = 0.0,
        stages: Sequence[Mapping[str, float]] = (),
    ) -> None:
        given = {"energy": energy, "stress": stress, "virial": virial, "dipole": dipole}
        terms = {name: TermConfig.model_validate(term) for name, term in given.items()}
        terms["forces"] = ForcesTermConfig.model_validate(forces)
        self._weights = [{name: term.weight for name, term in terms.items()}, *stages]
        self.terms = {name: term for name, term in terms.items() if any(weights[name] for weights in self._weights)}
        if not self.terms:
            raise ValueError("Loss: expected at least one weight above zero, got none. Give one.")

    @classmethod
    def of_config(cls, config: LossConfig) -> Loss:
        """What a config asks for."""
        return cls(**config.terms, stages=config.stage_weights[1:])

    @property
    def derivatives(self) -> tuple[bool, bool]:
        """Whether it needs forces, and whether it needs the stress."""
        return "forces" in self.terms, "stress" in self.terms or "virial" in self.terms

    def __call__(self, prediction: Prediction, batch: Data, stage: int = 0) -> Float[Tensor, ""]:
        targets = self.targets(batch)
        num_atoms = batch.batch.bincount(minlength=batch.num_graphs)
        return self.of(prediction, targets, num_atoms, self.factors(targets, stage))

    def targets(self, batch: Data) -> dict[str, Target]:
        """What the labels of a batch say; nothing of it depends on the model."""
        num_atoms = batch.batch.bincount(minlength=batch.num_graphs)
        of_graph = batch.weight if "weight" in batch else torch.ones_like(num_atoms, dtype=torch.float64)
        targets = {}
        for name, term in self.terms.items():
            labels, weights = batch[name], of_graph
            if name == "forces":
                weights = of_graph[batch.batch]
                for symbol, weight in term.elements.items():
                    weights = weights.where(batch.atomic_numbers != atomic_numbers[symbol], weight * weights)
            known = labels.isfinite()
            if name in _PER_ATOM:
                labels = labels / _like(num_atoms, labels)
            targets[name] = Target(labels.where(known, 0.0), _like(weights, labels) * known)
        return targets

    def counts(self, targets: Mapping[str, Target]) -> Float[Tensor, " terms"]:
        """How many labels of each term count."""
        return torch.stack([target.weights.count_nonzero() for target in targets.values()]).double()

    def factors(self, targets: Mapping[str, Target], stage: int = 0) -> Float[Tensor, " terms"]:
        """What the sums over errors are multiplied by: w / n of each term; all processes must call it."""
        counts = sum_over_processes(self.counts(targets)) / num_processes()
        return self.weights(stage).to(counts.device) / counts.where(counts > 0, torch.inf)

    def weights(self, stage: int = 0) -> Float[Tensor, " terms"]:
        """w of each term."""
        return torch.tensor([self._weights[stage][name] for name in self.terms], dtype=torch.float64)

    def sums(
        self, prediction: Prediction, targets: Mapping[str, Target], num_atoms: Int[Tensor, " graphs"]
    ) -> Float[Tensor, " terms"]:
        """Σ w f of each term."""
        sums = []
        for name, term in self.terms.items():
            predicted = getattr(prediction, name)
            if predicted is None:
                raise ValueError(
                    f"Loss: expected a prediction of the {name}, got none. Ask the potential for it (dipole: build its network with "
                    "dipole=True), or set its weight to zero."
                )
            if name in _PER_ATOM:
                predicted = predicted / _like(num_atoms, predicted)
            labels, weights = targets[name]
            # where, not a product: the prediction may be NaN too (the stress of a molecule)
            error = (predicted - labels).where(weights != 0, 0.0)
            sums.append((weights * error_function(error, term.function, term.delta)).sum())
        return torch.stack(sums)

    def of(
        self,
        prediction: Prediction,
        targets: Mapping[str, Target],
        num_atoms: Int[Tensor, " graphs"],
        factors: Float[Tensor, " terms"],
    ) -> Float[Tensor, ""]:
        """The loss from what was made of the batch before: the part that depends on the model."""
        return (factors * self.sums(prediction, targets, num_atoms)).sum()

    def __repr__(self) -> str:
        return f"Loss({', '.join(f'{name}={term.weight:g}' for name, term in self.terms.items())})"


def _like(of_rows: Tensor, entries: Tensor) -> Tensor:
    """A number of each row, to be broadcast over its entries."""
    return of_rows.view(-1, *[1] * (entries.dim() - 1))
