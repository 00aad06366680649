"""The architectures by name."""

import torch
from pydantic import BaseModel
from torch import Tensor

from .nequip import NequIP, NequIPConfig
from .potential import Potential

MODELS: dict[str, tuple[type[BaseModel], type[torch.nn.Module]]] = {"nequip": (NequIPConfig, NequIP)}
"""Name of an architecture -> its config and its module."""


def build_potential(
    architecture: str,
    config: BaseModel | dict,
    species: list[int],
    cutoff: float,
    shifts: Tensor | list[float],
    scales: Tensor | list[float],
    avg_num_neighbors: float,
) -> Potential:
    """A potential with freshly drawn weights.

    Args:
        architecture: name in MODELS.
        config: the architecture's config, or a dict of its fields.
        species: atomic numbers, ascending.
        cutoff: radius [Å] of the neighbor list.
        shifts: energy [eV] of an isolated atom per species.
        scales: scale [eV] of the network's output per species.
        avg_num_neighbors: mean number of neighbors in the training data.

    Raises:
        ValueError: for an unknown architecture or a value that its config refuses.

    Example:
        >>> potential = build_potential("nequip", {"num_layers": 2}, [1, 8], 5.0, [-13.6, -2041.8], [1.0, 1.0], 12.0)
        >>> potential.species, potential.cutoff
        (tensor([1, 8]), 5.0)
    """
    if architecture not in MODELS:
        raise ValueError(
            f"build_potential: expected an architecture among {sorted(MODELS)}, got {architecture!r}. Choose one of these."
        )
    config_class, module_class = MODELS[architecture]
    config = config_class.model_validate(config)
    network = module_class(config, len(species), cutoff, avg_num_neighbors)
    return Potential(network, species, cutoff, shifts, scales)
