"""All pairs of points within a cutoff, in open space, in periodic cells, and in anything between."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import vesin
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .edge_vectors import edge_vectors

MIN_THICKNESS = 1e-3
"""Periodic cells thinner than this [Å] are mistakes; their neighbors would fill the memory."""

MIN_DISTANCE = 1e-3
"""Atoms closer than this [Å] are the same atom written twice."""

_MAX_BINS = 1e5
"""vesin sorts points into at most this many bins."""


def neighbor_list(
    pos: Float[Tensor, "nodes 3"],
    cutoff: float,
    cell: Float[Tensor, "3 3"] | None = None,
    pbc: Bool[Tensor, "3"] | Sequence[bool] | None = None,
) -> tuple[Int[Tensor, "2 edges"], Float[Tensor, "edges 3"]]:
    """All directed edges shorter than a cutoff.

    { (i, j, S) : |pos[j] - pos[i] + S · cell| < cutoff,  S_a = 0 along open directions,  (i, 0) ≠ (j, S) }

    Every pair is there in both directions. In cells smaller than the cutoff, a neighbor appears once per periodic
    image, and so does the point itself. Nothing depends on the origin or on the cell that a point lies in. The search
    runs on the CPU.

    Args:
        pos: coordinates [Å].
        cutoff: edges are strictly shorter than this [Å].
        cell: cell vectors as rows [Å]; those of open directions are not used and may be zero.
        pbc: which of the three cell vectors are periodic; None: none of them.

    Returns:
        edge_index: senders and receivers, sorted by receiver, then sender, then shift.
        edge_shift: S, whole numbers in the dtype of pos; see edge_vectors.

    Raises:
        ValueError: if cutoff is not a positive number, pos or cell are not finite, a cell comes without pbc, or the
            periodic cell vectors are missing, zero or linearly dependent.

    Example:
        >>> edge_index, edge_shift = neighbor_list(torch.zeros(1, 3), 1.5, torch.eye(3), [True, False, False])
        >>> edge_index, edge_shift
        (tensor([[0, 0], [0, 0]]), tensor([[-1., 0., 0.], [ 1., 0., 0.]]))
    """
    if pbc is None and cell is not None:
        raise ValueError(
            f"neighbor_list: expected pbc for the cell {cell.tolist()}, got none. Pass which cell vectors are "
            "periodic, or cell=None."
        )
    pbc = torch.as_tensor([False] * 3 if pbc is None else pbc, device="cpu")
    _check(pos, cutoff, cell, pbc)
    points = pos.detach().to("cpu", torch.float64)
    vectors = torch.zeros(3, 3, dtype=torch.float64) if cell is None else cell.detach().to("cpu", torch.float64)

    edge_index, edge_shift = (
        torch.from_numpy(array) for array in _search(points.numpy(), cutoff, vectors.numpy(), pbc.numpy())
    )
    # The search moves points and rounds: the definition decides.
    near = edge_vectors(points, vectors, edge_index, edge_shift).square().sum(-1).sqrt() < cutoff
    return edge_index[:, near].to(pos.device), edge_shift[near].to(pos)


def _check(pos: Tensor, cutoff: float, cell: Tensor | None, pbc: Tensor) -> None:
    if not (math.isfinite(cutoff) and cutoff > 0):
        raise ValueError(
            f"neighbor_list: expected a cutoff that is a positive number [Å], got {cutoff}. 4 to 6 Å is usual for "
            "potentials."
        )
    finite = pos.isfinite().all(-1)
    if not finite.all():
        raise ValueError(
            f"neighbor_list: expected finite positions, got {pos[~finite][0].tolist()} for atom "
            f"{int((~finite).nonzero()[0])}. Remove or repair the structure."
        )
    if cell is None:
        if pbc.any():
            raise ValueError(
                f"neighbor_list: expected a cell for pbc={pbc.tolist()}, got none. Pass the cell or pbc=None."
            )
    elif not cell.isfinite().all():
        raise ValueError(f"neighbor_list: expected a finite cell, got {cell.tolist()}. Remove or repair the structure.")
    elif pbc.any() and torch.linalg.svdvals(cell.detach()[pbc.to(cell.device)].double()).min() < MIN_THICKNESS:
        raise ValueError(
            "neighbor_list: expected linearly independent cell vectors [Å] along the periodic directions "
            f"pbc={pbc.tolist()}, got {cell.tolist()}. Set the cell, or pbc=False along directions without a cell "
            "vector."
        )


def _search(pos: np.ndarray, cutoff: float, cell: np.ndarray, pbc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges up to slightly more than the cutoff, sorted."""
    if len(pos) == 0:
        return np.zeros((2, 0), dtype=np.int64), np.zeros((0, 3))
    box = _box(cell, pbc)
    fractional = pos @ np.linalg.inv(box)
    home = np.where(pbc, np.floor(fractional), 0.0)  # the cell that each point lies in
    fractional -= home
    if not pbc.any():  # no two points are further apart than the diagonal of all of them
        cutoff = min(cutoff, float(np.linalg.norm(np.ptp(pos, axis=0))) * (1 + 1e-6) + 1e-6)
    # The open directions of the box are unit vectors: fractional coordinates are lengths.
    slack = 1e-9 * cutoff + 64 * np.finfo(float).eps * max(np.abs(pos).max(), np.abs(cell).max())
    for axis in np.flatnonzero(~pbc):
        fractional[:, axis] = _without_gaps(fractional[:, axis], 2 * (cutoff + slack))
    points = fractional @ box
    box[~pbc] *= fractional[:, ~pbc].max(0)[:, None] + 1.01 * (cutoff + slack)  # no image near

    thickness = 1 / np.linalg.norm(np.linalg.inv(box), axis=0)
    # Along open directions vesin would take the extent of the points as the cell, and search (cutoff / extent)³ bins of
    # empty space: a periodic box with a gap has none. One thread: starting more takes longer than the search.
    search = vesin.NeighborList(cutoff=_search_radius(cutoff + slack, thickness), full_list=True, n_threads=1)
    src, dst, shift = search.compute(points, box, [True] * 3, "ijS")
    inside = ~shift[:, ~pbc].any(1)
    src, dst, shift = src[inside].astype(np.int64), dst[inside].astype(np.int64), shift[inside]
    shift = shift + home[src] - home[dst]
    order = np.lexsort((*shift.T[::-1], src, dst))
    return np.stack([src, dst])[:, order], shift[order]


def _box(cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """The periodic cell vectors, and unit vectors orthogonal to them and to each other for the open directions."""
    box = cell.copy()
    if not pbc.any():
        return np.eye(3)
    if not pbc.all():
        box[~pbc] = np.linalg.svd(cell[pbc])[2][pbc.sum() :]  # the null space of the periodic vectors
    return box


def _without_gaps(coordinate: np.ndarray, gap: float) -> np.ndarray:
    """Move points along an axis until no two successive ones are further apart than gap.

    Pairs closer than the gap keep their distance, and no others come closer than it: no bins for empty space.
    """
    order = coordinate.argsort(kind="stable")
    steps = np.diff(coordinate[order], prepend=coordinate[order[0]])
    moved = np.empty_like(coordinate)
    moved[order] = np.minimum(steps, gap).cumsum()
    return moved


def _search_radius(radius: float, thickness: np.ndarray) -> float:
    """A radius, at least the given one, with which vesin has a bin in every direction: it divides by their number."""
    while True:
        bins = np.maximum(thickness // radius, 1)
        if bins.prod() <= _MAX_BINS or bins.min() * np.cbrt(_MAX_BINS / bins.prod()) >= 4:
            return radius
        radius *= 2
