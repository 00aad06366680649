"""What calculators say of how far their predictions can be trusted."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Sequence

import numpy as np
import torch

from eqgraph.models import Potential, PotentialInputs
from eqgraph.uncertainty import RangeWatch, UncertainPotential, Uncertainty, load_uncertain


def own_model(model: str | os.PathLike | Potential | UncertainPotential) -> UncertainPotential:
    """A model of one's own: read from a file or the directory of a run, or a copy.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no model.
    """
    if isinstance(model, Potential | UncertainPotential):
        return copy.deepcopy(UncertainPotential.of(model))
    return load_uncertain(model)


def uncertain_properties(model: UncertainPotential) -> tuple[str, ...]:
    """Names of what a model says of its uncertainty, as results of a calculator."""
    names = ("energy_uncertainty", "energies_uncertainty") if model.has_uncertainty else ()
    return (*names, "forces_uncertainty") if model.has_forces_uncertainty else names


def uncertain_results(uncertainty: Uncertainty | None) -> dict[str, float | np.ndarray]:
    """Standard deviations of one structure: of the energy [eV], of its contributions [eV] and, if there are, of the forces [eV/Å]."""
    if uncertainty is None:
        return {}
    results = {
        "energy_uncertainty": uncertainty.energy.item(),
        "energies_uncertainty": uncertainty.atomic_energies.cpu().numpy(),
    }
    if uncertainty.forces is not None:
        results["forces_uncertainty"] = uncertainty.forces.cpu().numpy()
    return results


def is_asked(properties: Sequence[str]) -> bool:
    """Whether an uncertainty is among the properties."""
    return any(name.endswith("_uncertainty") for name in properties)


def warn_of_range(watch: RangeWatch, numbers: np.ndarray, inputs: PotentialInputs) -> None:
    """One warning for each pair of elements that comes closer than in training, not one for each step."""
    if watch.trained is not None:
        index = torch.stack([inputs.edges.src, inputs.edges.dst])
        for message in watch.news_of_edges(torch.from_numpy(numbers), index.cpu(), inputs.edge_vec.detach().cpu()):
            warnings.warn(message, UserWarning, stacklevel=2)
