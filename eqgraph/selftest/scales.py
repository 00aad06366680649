"""How large the numbers are that a potential adds up: what its rounding errors are relative to."""

from typing import NamedTuple

from torch_geometric.data import Data

from eqgraph.models import Potential
from eqgraph.ops import segment_sum


class Scales(NamedTuple):
    """Magnitudes of a potential on a structure.

    Forces themselves are no measure: in a crystal at rest large contributions cancel to zero, and what is left is their rounding.
    """

    energy: float
    """Largest |atomic energy - shift| + Σ |dE/d(edge_vec)| |edge_vec| / 2 of an atom [eV]."""
    force: float
    """Largest Σ |dE/d(edge_vec)| over the edges of an atom [eV/Å]."""
    stress: float
    """Σ |dE/d(edge_vec)| |edge_vec| over all edges per volume [eV/Å³]; 0 without a volume."""
    shift: float
    """Largest |shift| of an atom [eV]: float64 sums of energies round relative to these."""


def scales_of(potential: Potential, data: Data) -> Scales:
    """Magnitudes of a potential, best in float64, on a graph with edges.

    Example:
        >>> from ase.build import molecule
        >>> from eqgraph.graph import from_ase
        >>> from eqgraph.models import build_potential
        >>> potential = build_potential("nequip", {"num_layers": 1}, [1, 8], 4.0, [-13.6, -2041.8], [1.0, 1.0], 2.0).eval()
        >>> scales_of(potential, from_ase(molecule("H2O"), 4.0)).shift
        2041.8
    """
    inputs = potential.inputs(data)
    species, edge_vec, edges = inputs.species, inputs.edge_vec.detach(), inputs.edges
    predicted = potential.predict_edges(species, edge_vec, edges)
    size = predicted.edge_gradient.norm(dim=-1)
    work = size * edge_vec.norm(dim=-1)
    binding = (predicted.atomic_energies - potential.shifts[species]).abs()
    volume = float(inputs.volume[0])
    return Scales(
        float((binding + segment_sum(work, edges.dst, len(species)) / 2).max()),
        float((segment_sum(size, edges.dst, len(species)) + segment_sum(size, edges.src, len(species))).max()),
        float(work.sum()) / volume if volume > 0 else 0.0,
        float(potential.shifts[species].abs().max()),
    )
