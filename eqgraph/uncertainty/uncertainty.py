"""How wrong a prediction may be."""

from typing import NamedTuple

from torch import Tensor


class Uncertainty(NamedTuple):
    """Standard deviations that belong to a Prediction, in float64."""

    energy: Tensor
    """(graphs,) of the energy [eV]."""
    atomic_energies: Tensor
    """(nodes,) of the contribution of each atom [eV]: where in a structure the model knows little."""
    forces: Tensor | None = None
    """(nodes, 3) of the force components [eV/Å]; only committees have one."""
