"""What the last linear layer makes an energy of."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from eqgraph.models import Potential, PotentialInputs
from eqgraph.ops import segment_sum


def energy_features(
    potential: Potential, data: Data | PotentialInputs
) -> tuple[Float[Tensor, "nodes num_features"], Tensor]:
    """Derivatives of atomic energies with respect to the weights of the last layer, up to a common factor: scaled features.

    E_i = shift_i + w · f_i    with f_i = scale_i · (scalars of atom i before the readout)

    Args:
        potential: whose network has `encode` and `irreps_out`.
        data: a graph or a batch of graphs, or what Potential.inputs makes of it.

    Returns:
        The features of atoms [eV], float64, and the (nodes,) number of the graph that each atom belongs to. No gradients.

    Raises:
        ValueError: if the network does not tell its features, or if the structure contains a species that the potential does not know.
    """
    network = potential.network
    if not (hasattr(network, "encode") and hasattr(network, "irreps_out")):
        raise ValueError(
            f"energy_features: expected a network with encode and irreps_out, got {type(network).__name__}. Use one of "
            "eqgraph.models.MODELS, or a committee."
        )
    with torch.no_grad():
        inputs = potential.inputs(data)
        encoded = potential.encode(inputs).detach().double()
        slices = zip(network.irreps_out, network.irreps_out.slices(), strict=True)
        scalars = torch.cat([encoded[:, where] for (_, ir), where in slices if ir.l == 0 and ir.p == 1], dim=1)
        return potential.scales[inputs.species].unsqueeze(1) * scalars, inputs.batch


def sums_of_graphs(
    features: Tensor, batch: Tensor, num_graphs: int
) -> tuple[Float[Tensor, "graphs num_features"], Float[Tensor, " graphs"]]:
    """The features of structures, which are sums over their atoms, and the numbers of atoms."""
    return segment_sum(features, batch, num_graphs), batch.bincount(minlength=num_graphs).double()
