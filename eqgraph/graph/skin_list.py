"""A neighbor list that lasts for many steps of a dynamics."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eqgraph.ops import Edges

from .edge_vectors import edge_vectors
from .neighbor_list import MIN_DISTANCE, neighbor_list
from .reverse_edges import reverse_edges


class Neighbors(NamedTuple):
    """All edges shorter than the cutoff, an edge and its reverse sharing a row of radial weights."""

    edge_vec: Tensor
    """(edges, 3) float64 [Å] from senders to receivers."""
    edges: Edges


class SkinNeighborList:
    """The edges of a structure that moves, searched anew only when atoms have moved far.

    Pairs are searched up to cutoff + skin. They contain all edges for as long as no atom has moved by half of the skin; in a cell that
    is strained, with F mapping the cell of the search to the present one, for as long as

        max_i |r_i - F r⁰_i - t| < (σ_min(F) · (cutoff + skin) - cutoff) / 2,

    t being the mean of r_i - F r⁰_i and σ_min the smallest singular value. Each update picks those that
    are shorter than the cutoff: the edges are those of neighbor_list, in the same order, and no result depends on the skin.

    Args:
        cutoff: edges are strictly shorter than this [Å].
        skin: how much further pairs are searched [Å]. More means fewer searches and more pairs to look through; 0 searches at every
            update.
        device: where the edges are wanted. The search runs on the CPU.

    Attributes:
        num_builds: how often pairs were searched.

    Raises:
        ValueError: if skin is negative or not finite; on update, if two atoms are at the same place or neighbor_list refuses the
            structure.

    Example:
        >>> neighbors = SkinNeighborList(cutoff=2.0, skin=0.5)
        >>> pos = torch.tensor([[0.0, 0, 0], [1.9, 0, 0]], dtype=torch.float64)
        >>> for step in range(3):
        ...     print(neighbors.update(pos).edges.src.tolist(), neighbors.num_builds)
        ...     pos[1, 0] += 0.12
        [1, 0] 1
        [] 1
        [] 1

    Reference: Verlet 1967, doi:10.1103/PhysRev.159.98.
    """

    def __init__(self, cutoff: float, skin: float = 1.0, device: torch.device | str = "cpu") -> None:
        if not (math.isfinite(skin) and skin >= 0):
            raise ValueError(
                f"SkinNeighborList: expected a skin that is zero or a positive number [Å], got {skin}. 0.5 to 1 Å is usual."
            )
        self.cutoff, self.skin, self.device = float(cutoff), float(skin), torch.device(device)
        self.num_builds = 0
        self._pairs: _Pairs | None = None

    def update(
        self,
        pos: Float[Tensor, "nodes 3"],
        cell: Float[Tensor, "3 3"] | None = None,
        pbc: Bool[Tensor, "3"] | Sequence[bool] | None = None,
    ) -> Neighbors:
        """The edges of a structure, likely the last one a step later; what may differ is anything.

        Args:
            pos: coordinates [Å], float64.
            cell: cell vectors as rows [Å]; see neighbor_list.
            pbc: which of them are periodic.
        """
        pos = pos.detach().to("cpu", torch.float64)
        cell = torch.zeros(3, 3, dtype=torch.float64) if cell is None else cell.detach().to("cpu", torch.float64)
        pbc = torch.as_tensor([False] * 3 if pbc is None else pbc, device="cpu")
        if self._pairs is None or not self._pairs.contain_all(pos, cell, pbc, self.cutoff, self.skin):
            self._pairs = _Pairs(pos, cell, pbc, self.cutoff + self.skin, self.device)
            self.num_builds += 1
        return self._pairs.within(self.cutoff, pos.to(self.device), cell.to(self.device))


def moved_within_skin(
    pos_before: Float[Tensor, "nodes 3"],
    cell_before: Float[Tensor, "3 3"],
    pos: Float[Tensor, "nodes 3"],
    cell: Float[Tensor, "3 3"],
    pbc: Bool[Tensor, "3"],
    cutoff: float,
    skin: float,
) -> bool:
    """Whether no pair can be shorter than the cutoff [Å] that was not shorter than cutoff + skin before: see SkinNeighborList.

    Example:
        >>> before, cell, pbc = torch.zeros(2, 3).double(), torch.zeros(3, 3).double(), torch.zeros(3, dtype=torch.bool)
        >>> now = torch.tensor([[0.0, 0, 0], [0.0, 0, 0.9]]).double()
        >>> [moved_within_skin(before, cell, now, cell, pbc, cutoff=4.0, skin=skin) for skin in (1.0, 0.8)]
        [True, False]
    """
    expected, allowed = pos_before, skin / 2
    if pbc.any() and not torch.equal(cell[pbc], cell_before[pbc]):
        # maps every periodic cell vector to its present one, and leaves what is orthogonal to them
        before, now = cell_before * pbc.unsqueeze(1), cell * pbc.unsqueeze(1)
        strain = torch.eye(3, dtype=torch.float64) + torch.linalg.pinv(before) @ (now - before)
        if not strain.isfinite().all():
            return False  # the search says what is wrong
        expected = pos_before @ strain
        allowed = (torch.linalg.svdvals(strain).min().item() * (cutoff + skin) - cutoff) / 2
    if not len(pos):
        return True
    moved = pos - expected
    moved = torch.linalg.vector_norm(moved - moved.mean(0), dim=1).max().item()
    return moved < allowed  # not for NaN either, which the search refuses


class _Pairs:
    """Pairs of one search, and the edges among them that were picked last."""

    def __init__(self, pos: Tensor, cell: Tensor, pbc: Tensor, radius: float, device: torch.device) -> None:
        # copies, for the caller may move the atoms in place
        self.pos, self.cell, self.pbc = pos.clone(), cell.clone(), pbc.clone()
        index, shift = neighbor_list(self.pos, radius, self.cell, self.pbc)
        reverse = reverse_edges(index, shift).to(device)
        self.edges = Edges.of(index.to(device), len(pos), len(pos), reverse)
        first = self.edges.first
        # one vector for each row of weights: what runs against it has the opposite one, and exactly the same length
        self.index, self.shift = index.to(device)[:, first], shift.to(device)[first]
        self.sign = torch.where(first[self.edges.row] == torch.arange(index.shape[1], device=device), 1.0, -1.0)
        self.sign = self.sign.double().unsqueeze(1)
        self.picked: tuple[Tensor, Edges, Tensor] | None = None

    def contain_all(self, pos: Tensor, cell: Tensor, pbc: Tensor, cutoff: float, skin: float) -> bool:
        """Whether no other edge than those among these pairs can be shorter than the cutoff."""
        if pos.shape != self.pos.shape or not torch.equal(pbc, self.pbc):
            return False
        return moved_within_skin(self.pos, self.cell, pos, cell, pbc, cutoff, skin)

    def within(self, cutoff: float, pos: Tensor, cell: Tensor) -> Neighbors:
        """Those that are shorter than the cutoff; the edges are made anew if they are others than the last time."""
        vectors = edge_vectors(pos, cell, self.index, self.shift)
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        self._check(lengths)
        near = lengths < cutoff
        if self.picked is None or not torch.equal(near, self.picked[0]):
            edges, kept = self.edges.subset(near)
            self.picked = near, edges, self.sign[kept]
        near, edges, sign = self.picked
        return Neighbors(vectors[near].index_select(0, edges.row) * sign, edges)

    def _check(self, lengths: Tensor) -> None:
        if (lengths < MIN_DISTANCE).any():
            src, dst = self.index[:, lengths.argmin()].tolist()
            raise ValueError(
                f"SkinNeighborList: expected atoms at different places, got atoms {src} and {dst} {lengths.min():.1e} Å apart. Remove "
                "one of them, or look at what the dynamics did before."
            )
