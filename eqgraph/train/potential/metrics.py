"""Errors of a potential, accumulated over batches."""

from __future__ import annotations

import math
from typing import NamedTuple

from ase.data import chemical_symbols
from torch import Tensor
from torch_geometric.data import Data

from eqgraph.models import Prediction

from .config import LossConfig


class ErrorSum:
    """Sums of |error| and error² over labelled entries: the same mean errors however the entries came in batches.

    Example:
        >>> import torch
        >>> errors = ErrorSum()
        >>> errors.update(torch.tensor([3.0, -4.0, 1.0]), torch.tensor([0.0, 0.0, torch.nan]))
        >>> errors.count, errors.mae, errors.mse
        (2, 3.5, 12.5)
    """

    def __init__(self) -> None:
        self.count = 0
        self._absolute = 0.0
        self._square = 0.0

    def update(self, predicted: Tensor, labels: Tensor) -> None:
        """Take in two tensors of one shape; a label that is not finite is missing, a prediction that is not finite is an error."""
        labelled = labels.isfinite()
        error = predicted.detach().double()[labelled] - labels.double()[labelled]
        self.count += error.numel()
        self._absolute += error.abs().sum().item()
        self._square += error.square().sum().item()

    @property
    def mae(self) -> float:
        """Mean absolute error; NaN if nothing was counted."""
        return self._absolute / self.count if self.count else math.nan

    @property
    def mse(self) -> float:
        """Mean squared error; NaN if nothing was counted."""
        return self._square / self.count if self.count else math.nan

    @property
    def rmse(self) -> float:
        """Root mean squared error; NaN if nothing was counted."""
        return math.sqrt(self.mse) if self.count else math.nan


class ErrorRow(NamedTuple):
    """One line of an error table."""

    quantity: str  # "energy", "energy per atom", "forces" or "stress"
    element: str  # symbol, or "all"
    unit: str
    mae: float
    rmse: float
    count: int  # numbers compared


class PotentialErrors:
    """Errors of energies (total and per atom), forces (all and by element) and stress over the labels that are there."""

    def __init__(self) -> None:
        self.energy = ErrorSum()  # eV
        self.energy_per_atom = ErrorSum()  # eV/atom
        self.forces = ErrorSum()  # eV/Å
        self.forces_by_element: dict[int, ErrorSum] = {}  # atomic number -> eV/Å
        self.stress = ErrorSum()  # eV/Å³

    def update(self, prediction: Prediction, batch: Data) -> None:
        """Take in a batch; what was not predicted (None) is not counted."""
        num_atoms = batch.batch.bincount(minlength=batch.num_graphs)
        self.energy.update(prediction.energy, batch.energy)
        self.energy_per_atom.update(prediction.energy / num_atoms, batch.energy / num_atoms)
        if prediction.forces is not None:
            self.forces.update(prediction.forces, batch.forces)
            for number in batch.atomic_numbers.unique().tolist():
                atoms = batch.atomic_numbers == number
                sums = self.forces_by_element.setdefault(number, ErrorSum())
                sums.update(prediction.forces[atoms], batch.forces[atoms])
        if prediction.stress is not None:
            self.stress.update(prediction.stress, batch.stress)

    def loss(self, weights: LossConfig) -> float:
        """The training loss of everything taken in so far, see `Loss`."""
        terms = ((weights.energy, self.energy_per_atom), (weights.forces, self.forces), (weights.stress, self.stress))
        return sum(weight * errors.mse for weight, errors in terms if weight and errors.count)

    def rows(self) -> list[ErrorRow]:
        """Lines of an error table in meV, meV/atom, meV/Å and meV/Å³; only of what was counted."""
        named = [
            ("energy", "all", "meV", self.energy),
            ("energy per atom", "all", "meV/atom", self.energy_per_atom),
            ("forces", "all", "meV/Å", self.forces),
            *(
                ("forces", chemical_symbols[number], "meV/Å", sums)
                for number, sums in sorted(self.forces_by_element.items())
            ),
            ("stress", "all", "meV/Å³", self.stress),
        ]
        return [
            ErrorRow(quantity, element, unit, 1000 * sums.mae, 1000 * sums.rmse, sums.count)
            for quantity, element, unit, sums in named
            if sums.count
        ]
