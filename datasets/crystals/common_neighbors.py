"""Adaptive common-neighbor analysis of one atom in its surroundings.

A bond is described by three numbers: neighbors that both of its atoms have, bonds among these, bonds in the longest connected chain of
them. A lattice is known by the numbers of its bonds:

    fcc      12 × 421               bcc      8 × 666 and 6 × 444 (neighbors of the first two shells)
    hcp      6 × 421 and 6 × 422    diamond  fcc of the twelve second neighbors

References: Honeycutt and Andersen 1987, doi:10.1021/j100303a014; Faken and Jónsson 1994, doi:10.1016/0927-0256(94)90109-0; cutoffs
that adapt to the surroundings: Stukowski 2012, doi:10.1088/0965-0393/20/4/045021; diamond: Maras et al. 2016,
doi:10.1016/j.cpc.2016.04.001. Written from the papers. Simple cubic, which these do not treat: a rule of angles.
"""

from collections import Counter

import numpy as np

HALFWAY = (1 + np.sqrt(2)) / 2  # between two shells whose distances have the ratio √2
SIGNATURES = {
    "fcc": Counter({(4, 2, 1): 12}),
    "hcp": Counter({(4, 2, 1): 6, (4, 2, 2): 6}),
    "bcc": Counter({(6, 6, 6): 8, (4, 4, 4): 6}),
    "icosahedron": Counter({(5, 5, 5): 12}),
}


def longest_chain(bonded: np.ndarray) -> int:
    """Bonds of the largest connected component of a graph, given as a symmetric matrix."""
    left, longest = set(range(len(bonded))), 0
    while left:
        component, front = set(), {left.pop()}
        while front:
            component |= front
            front = {j for i in front for j in np.flatnonzero(bonded[i])} - component
        left -= component
        inside = sorted(component)
        longest = max(longest, int(bonded[np.ix_(inside, inside)].sum()) // 2)
    return longest


def signature(neighbors: np.ndarray, cutoff: float) -> Counter:
    """How often each triple of numbers occurs among the bonds of an atom at the origin to its neighbors (n, 3)."""
    distance = np.linalg.norm(neighbors[:, None] - neighbors[None], axis=2)
    bonded = (distance < cutoff) & (distance > 0)
    triples = Counter()
    for row in bonded:
        inner = bonded[np.ix_(row, row)]
        triples[int(row.sum()), int(inner.sum()) // 2, longest_chain(inner)] += 1
    return triples


def close_packed(neighbors: np.ndarray) -> str | None:
    """fcc, hcp or icosahedron, from twelve neighbors; a bond is shorter than 1.207 times their mean distance."""
    found = signature(neighbors, HALFWAY * np.linalg.norm(neighbors, axis=1).mean())
    return next((name for name in ("fcc", "hcp", "icosahedron") if found == SIGNATURES[name]), None)


def is_bcc(neighbors: np.ndarray) -> bool:
    """From fourteen neighbors, nearest first; the cutoff lies halfway between the second and the third shell."""
    length = np.linalg.norm(neighbors, axis=1)
    constant = (2 / np.sqrt(3) * length[:8].sum() + length[8:].sum()) / 14
    return signature(neighbors, HALFWAY * constant) == SIGNATURES["bcc"]


def is_simple_cubic(neighbors: np.ndarray) -> bool:
    """From six neighbors: each has one opposite (beyond 150°), the other four are between 60° and 120°."""
    unit = neighbors / np.linalg.norm(neighbors, axis=1, keepdims=True)
    cos = unit @ unit.T
    opposite, across = cos < -np.sqrt(3) / 2, np.abs(cos) < 0.5
    return bool((opposite.sum(1) == 1).all() and (across.sum(1) == 4).all())


def second_neighbors(points: np.ndarray) -> np.ndarray | None:
    """(12, 3): the three other neighbors of each of the four nearest atoms; None if these are not twelve different atoms."""
    found = []
    for first in range(1, 5):
        order = np.argsort(np.linalg.norm(points - points[first], axis=1), kind="stable")[1:5]  # but the atom itself
        if 0 not in order:
            return None
        found += [index for index in order if index != 0]
    distinct = set(found)
    return points[found] if len(distinct) == 12 and not distinct & {1, 2, 3, 4} else None


def structure(cloud: np.ndarray) -> str:
    """Around the first atom of a cloud (n, 3), n > 29: fcc, hcp, icosahedron, bcc, diamond, hexagonal diamond, sc or other."""
    points = cloud - cloud[0]
    points = points[np.argsort(np.linalg.norm(points, axis=1), kind="stable")]
    if (name := close_packed(points[1:13])) is not None:
        return name
    if is_bcc(points[1:15]):
        return "bcc"
    second = second_neighbors(points)
    if second is not None and (name := close_packed(second)) in ("fcc", "hcp"):
        return {"fcc": "diamond", "hcp": "hexagonal diamond"}[name]
    return "sc" if is_simple_cubic(points[1:7]) else "other"
