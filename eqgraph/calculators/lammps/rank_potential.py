"""The potential of the atoms that one process owns."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from eqgraph.graph import MIN_DISTANCE, edge_vectors, moved_within_skin
from eqgraph.models import Potential, edge_forces, edge_virials
from eqgraph.ops import Edges

from .rank_graph import RankGraph, rank_graph, select_edges


class Visible(NamedTuple):
    """The atoms that one process sees, owned ones first, then ghosts."""

    pos: np.ndarray
    """(atoms, 3) float64 coordinates [Å]."""
    tags: np.ndarray
    """(atoms,) their numbers; images of an atom share one."""
    types: np.ndarray
    """(atoms,) from 1."""
    num_owned: int
    """The first so many are owned."""
    cell: np.ndarray
    """(3, 3) cell vectors as rows [Å]."""
    pbc: np.ndarray
    """(3,) which of them are periodic."""


class Owned(NamedTuple):
    """What holds for owned atoms; sums over processes are those of the whole structure."""

    energies: np.ndarray
    """(owned,) [eV]."""
    forces: np.ndarray
    """(owned, 3) [eV/Å]."""
    virials: np.ndarray
    """(owned, 3, 3) -dE/dε [eV], see models.edge_virials."""
    scale: float
    """Sum of the absolute gradients of edges [eV/Å], by which rounding of forces is measured."""


class RankPotential:
    """Energies, forces and virials of owned atoms, from coordinates of all that a process sees.

    Edges up to cutoff + skin are searched when atoms or the cell have moved so far that another pair may be within the cutoff.

    Args:
        potential: in evaluation mode; its network's config says num_layers.
        species: (types,) positions in the potential's list of species, type 1 first.
        skin: [Å].

    Attributes:
        num_searches: how many times edges were searched.

    Raises:
        ValueError: if the network does not say how many layers it has.

    Example:
        >>> from eqgraph.models import build_potential
        >>> potential = build_potential("nequip", {"num_layers": 1}, [1], 4.0, [-13.6], [1.0], 1.0).eval()
        >>> water = Visible(np.eye(3), np.arange(1, 4), np.ones(3, int), 3, np.zeros((3, 3)), np.zeros(3, bool))
        >>> RankPotential(potential, torch.tensor([0]), skin=0.5)(water).forces.shape
        (3, 3)
    """

    def __init__(self, potential: Potential, species: Tensor, skin: float) -> None:
        self.num_layers = getattr(getattr(potential.network, "config", None), "num_layers", None)
        if self.num_layers is None:
            raise ValueError(
                f"LAMMPS: expected a network whose config has num_layers, from which the ghost atoms follow, got "
                f"{type(potential.network).__name__}. Give it a config with that field."
            )
        self.potential, self.species, self.skin = potential, species, skin
        self.num_searches = 0
        self._graph: RankGraph | None = None
        self._seen: Visible | None = None

    @property
    def shell(self) -> float:
        """How far from owned atoms others matter to forces on them [Å]."""
        return 2 * self.num_layers * self.potential.cutoff

    def __call__(self, visible: Visible) -> Owned:
        """Compute.

        Raises:
            ValueError: if coordinates or forces are not finite, two atoms are at the same place, or as graph.neighbor_list.
        """
        if visible.num_owned == 0:
            self._graph = self._seen = None
            return Owned(np.zeros(0), np.zeros((0, 3)), np.zeros((0, 3, 3)), 0.0)
        pos, cell = torch.from_numpy(visible.pos), torch.from_numpy(visible.cell)
        if self._graph is None or not self._still_holds(visible):
            self._search(visible, pos, cell)
        graph, potential = self._graph, self.potential
        edge_vec = edge_vectors(pos[graph.atoms], cell, graph.edge_index, graph.edge_shift)
        edge_len = torch.linalg.vector_norm(edge_vec, dim=1)
        near = edge_len < potential.cutoff
        if len(edge_len) and edge_len.min() < MIN_DISTANCE:
            ends = graph.atoms[graph.edge_index[:, edge_len.argmin()]].numpy()
            first, second = sorted(visible.tags[ends].tolist())
            raise ValueError(
                f"LAMMPS: expected atoms at different places, got atoms {first} and {second} {edge_len.min():.1e} Å apart. Remove one "
                "of them."
            )
        edge_index, reverse = select_edges(graph.edge_index, graph.reverse, near)
        device, num_nodes = potential.shifts.device, len(graph.atoms)
        edges = Edges.of(edge_index.to(device), num_nodes, num_nodes, reverse.to(device))
        edge_vec = edge_vec[near].to(device)
        energies, gradient = potential.predict_edges(self._node_species.to(device), edge_vec, edges)
        owned = slice(graph.num_owned)
        result = Owned(
            energies[owned].cpu().numpy(),
            edge_forces(gradient, edges)[owned].cpu().numpy(),
            edge_virials(edge_vec.detach(), gradient, edges)[owned].cpu().numpy(),
            gradient.abs().sum().item(),
        )
        _check(result, visible.tags)
        return result

    def _search(self, visible: Visible, pos: Tensor, cell: Tensor) -> None:
        self._graph = None  # should the search fail
        radius, pbc = self.potential.cutoff + self.skin, torch.from_numpy(visible.pbc)
        self._graph = rank_graph(pos, visible.tags, visible.num_owned, radius, cell, pbc, self.num_layers)
        self._node_species = self.species[torch.from_numpy(visible.types)[self._graph.atoms].long() - 1]
        self._seen = visible._replace(pos=visible.pos.copy(), tags=visible.tags.copy(), types=visible.types.copy())
        self.num_searches += 1

    def _still_holds(self, visible: Visible) -> bool:
        """Whether all pairs within the cutoff are among the edges that were found."""
        seen = self._seen
        if visible.num_owned != seen.num_owned or not (
            np.array_equal(visible.tags, seen.tags)
            and np.array_equal(visible.types, seen.types)
            and np.array_equal(visible.pbc, seen.pbc)
        ):
            return False
        before, now = (map(torch.from_numpy, (each.pos, each.cell)) for each in (seen, visible))
        return moved_within_skin(*before, *now, torch.from_numpy(visible.pbc), self.potential.cutoff, self.skin)


def _check(owned: Owned, tags: np.ndarray) -> None:
    finite = np.isfinite(owned.forces).all(1) & np.isfinite(owned.energies)
    if not finite.all():
        wrong = int((~finite).argmax())
        raise ValueError(
            f"LAMMPS: expected finite forces, got {owned.forces[wrong].tolist()} eV/Å and {owned.energies[wrong]} eV for atom "
            f"{int(tags[wrong])}. Look at the structure for atoms that overlap, or at the model for weights that are not finite."
        )
