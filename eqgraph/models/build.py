"""The architectures of potentials by name."""

from collections.abc import Callable

import torch
from pydantic import BaseModel
from torch import Tensor

from .energy_network import EnergyNetwork
from .nequip import NequIP, NequIPConfig
from .potential import Potential
from .se3_transformer import SE3Transformer, SE3TransformerConfig
from .tensor_field_network import TensorFieldNetwork, TensorFieldNetworkConfig


def _energy_network(encoder_class: Callable[..., torch.nn.Module]) -> Callable[..., EnergyNetwork]:
    """What makes a network of energies of config, number of species, cutoff and number of neighbors."""

    def build(config: BaseModel, num_species: int, cutoff: float, avg_num_neighbors: float) -> EnergyNetwork:
        encoder = encoder_class(config, f"{config.num_features}x0e", avg_num_neighbors)
        return EnergyNetwork(encoder, num_species, cutoff)

    return build


MODELS: dict[str, tuple[type[BaseModel], Callable[..., torch.nn.Module]]] = {
    "nequip": (NequIPConfig, NequIP),
    "se3_transformer": (SE3TransformerConfig, _energy_network(SE3Transformer)),
    "tensor_field_network": (TensorFieldNetworkConfig, _energy_network(TensorFieldNetwork)),
}
"""Name of an architecture -> its config, and what makes the network of config, number of species, cutoff and number of neighbors."""


def build_potential(
    architecture: str,
    config: BaseModel | dict,
    species: list[int],
    cutoff: float,
    shifts: Tensor | list[float],
    scales: Tensor | list[float],
    avg_num_neighbors: float,
    zbl: bool = False,
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
        zbl: whether nuclei repel at short distance, see ZBL.

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
    config_class, network_class = MODELS[architecture]
    config = config_class.model_validate(config)
    network = network_class(config, len(species), cutoff, avg_num_neighbors)
    return Potential(network, species, cutoff, shifts, scales, zbl)
