"""A trained potential for more elements than it was trained on."""

from collections.abc import Mapping

import torch
from ase.data import chemical_symbols
from torch import Tensor

from eqgraph.nn import SpeciesLinear

from .build import MODELS
from .potential import Potential

_BY_SPECIES = (torch.nn.Embedding, SpeciesLinear)
"""Layers whose weight has a row for each species."""


def extend_species(potential: Potential, shifts: Mapping[int, float]) -> Potential:
    """A copy of a potential that knows further elements, and predicts the same as before for the old ones.

    Rows of weights that belong to a new element start at the mean of those of the old elements; so does its energy scale.

    Args:
        potential: trained; stays as it is.
        shifts: atomic number -> energy [eV] of an isolated atom, of each new element.

    Raises:
        ValueError: if one of the new elements is known already, or is no chemical element.

    Example:
        >>> from eqgraph.models import build_potential
        >>> water = build_potential("nequip", {"num_layers": 2}, [1, 8], 5.0, [-13.6, -2041.8], [1.0, 1.0], 12.0)
        >>> extend_species(water, {6: -1030.1}).species
        tensor([1, 6, 8])
    """
    old = potential.species.tolist()
    if wrong := [number for number in shifts if number in old or not 0 < number < len(chemical_symbols)]:
        raise ValueError(
            f"extend_species: expected atomic numbers that the potential does not know ({old} it does), got {wrong}. Leave them out."
        )
    species = sorted({*old, *shifts})
    rows = torch.tensor([species.index(number) for number in old])
    network = potential.network
    (build,) = (build for config_class, build in MODELS.values() if type(network.config) is config_class)
    extended = build(network.config, len(species), potential.cutoff, 1.0)  # a buffer: the true number is copied
    extended.to(potential.dtype)
    state, by_species = network.state_dict(), _names_by_species(network)
    extended.load_state_dict(
        {
            name: _extended(tensor, rows, len(species)) if name in by_species else tensor
            for name, tensor in state.items()
        }
    )
    known = dict(zip(old, potential.shifts.tolist(), strict=True)) | dict(shifts)
    scales = _extended(potential.scales, rows, len(species))
    shifts_of_all = [known[number] for number in species]
    result = Potential(extended, species, potential.cutoff, shifts_of_all, scales, potential.zbl is not None)
    return result.to(potential.shifts.device).train(potential.training)


def _names_by_species(network: torch.nn.Module) -> set[str]:
    return {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, _BY_SPECIES)}


def _extended(values: Tensor, rows: Tensor, num_species: int) -> Tensor:
    """(old species, ...) to (species, ...), the mean in the rows of new ones."""
    extended = values.mean(0, keepdim=True).expand(num_species, *values.shape[1:]).clone()
    extended[rows.to(values.device)] = values
    return extended
