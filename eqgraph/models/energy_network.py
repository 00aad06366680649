"""Encoders of points as networks of interatomic potentials."""

import torch
from pydantic import BaseModel
from torch import Tensor

from eqgraph.nn import Norm
from eqgraph.o3 import Irreps, Linear
from eqgraph.ops import Edges

from .hidden_irreps import readout_irreps
from .point_graph import same_levels


class EnergyNetwork(torch.nn.Module):
    """An encoder between an embedding of species and a linear readout: one scalar per atom, and a vector if its config says dipole.

    Args:
        encoder: maps features of nodes and levels to the features of all levels, such as TensorFieldNetwork; its input is
            num_features scalars.
        num_species: number of chemical species.
        cutoff: radius [Å] within which atoms are neighbors.

    Raises:
        ValueError: if a normalization of the encoder needs other nodes in evaluation.

    Example:
        >>> from eqgraph.models import TensorFieldNetwork, TensorFieldNetworkConfig
        >>> config = TensorFieldNetworkConfig(num_features=4)
        >>> network = EnergyNetwork(TensorFieldNetwork(config, "4x0e", 1.0), num_species=2, cutoff=5.0)
        >>> edges = Edges.of(torch.tensor([[0, 1], [1, 0]]), 2, 2)
        >>> network(torch.tensor([0, 1]), torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]]), edges).shape
        torch.Size([2, 1])
    """

    def __init__(self, encoder: torch.nn.Module, num_species: int, cutoff: float) -> None:
        super().__init__()
        # what depends on a whole structure would here depend on the whole batch: all nodes of same_levels are in one graph
        if far := [
            name for name, module in encoder.named_modules() if isinstance(module, Norm) and not module.is_local
        ]:
            raise ValueError(
                "EnergyNetwork: expected normalizations that need no other nodes in evaluation, got "
                f"{encoder.config.normalization!r} ({far[0]}): energies would be neither local nor extensive. Take 'layer', 'rms' or "
                "'none'."
            )
        self.encoder, self.cutoff = encoder, float(cutoff)
        self.embedding = torch.nn.Embedding(num_species, encoder.irreps[0].dim)
        self.predicts_dipole = getattr(encoder.config, "dipole", False)
        self.readout = Linear(encoder.irreps_out, readout_irreps(self.predicts_dipole))

    @property
    def config(self) -> BaseModel:
        """Of the encoder."""
        return self.encoder.config

    @property
    def irreps_out(self) -> Irreps:
        """Of the features of nodes, before they are read out."""
        return self.encoder.irreps_out

    def forward(self, species: Tensor, edge_vec: Tensor, edges: Edges) -> Tensor:
        """Species (nodes,) and edge vectors (edges, 3) [Å] from sender to receiver to a dimensionless scalar (nodes, 1).

        With dipoles the components x, y, z of a vector follow it: (nodes, 4)."""
        return self.readout(self.encode(species, edge_vec, edges))

    def encode(self, species: Tensor, edge_vec: Tensor, edges: Edges) -> Tensor:
        """The same to the features of nodes in irreps_out."""
        levels = same_levels(edge_vec / self.cutoff, edges, len(self.encoder.layers))
        return self.encoder.last(self.embedding(species), levels)
