"""Errors of a potential, accumulated over batches."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from ase.data import chemical_symbols
from torch import Tensor
from torch_geometric.data import Data

from eqgraph.models import Prediction

from ..processes import num_processes


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

    def add(self, other: ErrorSum) -> None:
        """Take in what another has."""
        self.count += other.count
        self._absolute += other._absolute
        self._square += other._square

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

    quantity: str  # "energy", "energy per atom", "forces", "stress", "virial per atom" or "dipole"
    element: str  # symbol, or "all"
    unit: str
    mae: float
    rmse: float
    count: int  # numbers compared


class PotentialErrors:
    """Errors of energies (total and per atom), forces (all and by element), stress, virial (per atom) and dipole moment, over the
    labels that are there; structures count alike, whatever their weights in the loss."""

    def __init__(self) -> None:
        self.energy = ErrorSum()  # eV
        self.energy_per_atom = ErrorSum()  # eV/atom
        self.forces = ErrorSum()  # eV/Å
        self.forces_by_element: dict[int, ErrorSum] = {}  # atomic number -> eV/Å
        self.stress = ErrorSum()  # eV/Å³
        self.virial_per_atom = ErrorSum()  # eV/atom
        self.dipole = ErrorSum()  # e·Å

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
        if prediction.virial is not None:
            atoms = num_atoms.view(-1, 1, 1)
            self.virial_per_atom.update(prediction.virial / atoms, batch.virial / atoms)
        if prediction.dipole is not None:
            self.dipole.update(prediction.dipole, batch.dipole)

    def join_processes(self) -> None:
        """Take in what the other processes have; once, and in all of them."""
        if num_processes() == 1:
            return
        found: list[PotentialErrors | None] = [None] * num_processes()
        torch.distributed.all_gather_object(found, self)
        rank = torch.distributed.get_rank()
        for other in (errors for index, errors in enumerate(found) if index != rank):
            for name in ("energy", "energy_per_atom", "forces", "stress", "virial_per_atom", "dipole"):
                getattr(self, name).add(getattr(other, name))
            for number, sums in other.forces_by_element.items():
                self.forces_by_element.setdefault(number, ErrorSum()).add(sums)

    def rows(self) -> list[ErrorRow]:
        """Lines of an error table in meV, meV/atom, meV/Å, meV/Å³ and me·Å; only of what was counted."""
        named = [
            ("energy", "all", "meV", self.energy),
            ("energy per atom", "all", "meV/atom", self.energy_per_atom),
            ("forces", "all", "meV/Å", self.forces),
            *(
                ("forces", chemical_symbols[number], "meV/Å", sums)
                for number, sums in sorted(self.forces_by_element.items())
            ),
            ("stress", "all", "meV/Å³", self.stress),
            ("virial per atom", "all", "meV/atom", self.virial_per_atom),
            ("dipole", "all", "me·Å", self.dipole),
        ]
        return [
            ErrorRow(quantity, element, unit, 1000 * sums.mae, 1000 * sums.rmse, sums.count)
            for quantity, element, unit, sums in named
            if sums.count
        ]
