"""The same structure twice in a file, or in two files: copies in a test file make errors look smaller than they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from eqgraph.datasets import Frame

from .data_file import CheckedData
from .environment import Environment, invariants
from .finding import Finding, listed
from .same_structure import SAME, same_structure

CHECK = "duplicates"
_SAME_ENERGY = 1e-3
"""Energies per atom [eV] of the same structure."""
_SENSITIVITY = 3.0
"""How much the invariants of a structure change when atoms move by SAME, as a fraction of the largest change that is possible:
moves that are not in step cancel."""


class _Entry(NamedTuple):
    file: int
    frame: Frame
    environment: Environment
    invariants: np.ndarray
    """(N, 3), of each atom."""
    fingerprint: np.ndarray
    """Means over the atoms of each element."""
    distances: np.ndarray
    """All that are safely within the cutoff, sorted."""


def check_duplicates(data: CheckedData) -> Iterator[Finding]:
    """Group frames that are the same up to rotation, reflection, translation and the order of the atoms."""
    groups: dict[tuple, list[_Entry]] = defaultdict(list)
    for number, file in enumerate(data.files):
        for frame, env in data.environments(file):
            if not frame.is_isolated_atom:
                of_atoms = invariants(frame, env, data.cutoff)
                species, inverse = np.unique(frame.atoms.numbers, return_inverse=True)
                means = [np.bincount(inverse, column) / np.bincount(inverse) for column in of_atoms.T]
                key = (tuple(np.bincount(inverse)), tuple(species), int(frame.atoms.pbc.sum()))
                distances = np.sort(env.distance[env.distance < data.cutoff - 4 * SAME])
                groups[key].append(_Entry(number, frame, env, of_atoms, np.concatenate(means), distances))
    copies = [pair for group in groups.values() for pair in _copies(group)]
    within: dict[int, list[tuple[Frame, Frame]]] = defaultdict(list)
    between: dict[tuple[int, int], list[tuple[Frame, Frame]]] = defaultdict(list)
    for original, copy in copies:
        if original.file == copy.file:
            within[copy.file].append((original.frame, copy.frame))
        else:
            between[original.file, copy.file].append((original.frame, copy.frame))
    yield from _report(data, within, between)


def _report(data: CheckedData, within: dict, between: dict) -> Iterator[Finding]:
    for number, pairs in sorted(within.items()):
        pairs.sort(key=lambda pair: pair[1].index)
        named = listed([f"{copy.index} of {original.index}" for original, copy in pairs])
        message = (
            f"Expected every structure once, came {len(pairs)} of {len(data.files[number].frames)} frames that are copies of "
            f"earlier ones (turned, mirrored, moved or with atoms in another order): {named}. "
            "Remove them, so that none is in both training and validation."
        )
        frames = tuple(copy.index for _, copy in pairs)
        yield Finding("warning", CHECK, message, data.files[number].name, frames, {"num_copies": len(pairs)})
        yield from _contradictions(data.files[number].name, data.files[number].name, pairs)
    for (first, second), pairs in sorted(between.items()):
        pairs.sort(key=lambda pair: pair[1].index)
        one, other = data.files[first].name, data.files[second].name
        named = listed([f"{copy.index} is {original.index}" for original, copy in pairs])
        message = (
            f"Expected structures that are not in '{one}', came {len(pairs)} of {len(data.files[second].frames)} frames that are: "
            f"{named}. Remove them from one of the two: errors on what was trained on are no test."
        )
        frames = tuple(copy.index for _, copy in pairs)
        yield Finding("warning", "leakage", message, other, frames, {"num_copies": len(pairs), "of": one})
        yield from _contradictions(one, other, pairs)
    if not within and not between:
        yield Finding("ok", CHECK, "No structure is there twice, turned, mirrored, moved or reordered ones included.")
    elif not between and len(data.files) > 1:
        yield Finding("ok", "leakage", "No structure of one file is in another.")


def _contradictions(one: str, other: str, pairs: list[tuple[Frame, Frame]]) -> Iterator[Finding]:
    differences = [
        (abs(a.energy - b.energy) / len(a.atoms), a.index, b.index)
        for a, b in pairs
        if a.energy is not None and b.energy is not None
    ]
    different = [entry for entry in differences if entry[0] > _SAME_ENERGY]
    if different:
        worst, a, b = max(different)
        message = (
            f"Expected copies of a structure to have the same energy, came {len(different)} pairs that differ, by up to "
            f"{worst:.3g} eV per atom (frame {a} of '{one}', frame {b} of '{other}'). Keep those of one calculation."
        )
        frames = tuple(entry[2] for entry in different)
        yield Finding("warning", "contradicting labels", message, other, frames, {"max_difference_per_atom": worst})


def _copies(group: list[_Entry]) -> Iterator[tuple[_Entry, _Entry]]:
    """Each copy with its original: sorted by fingerprints, so that only neighbors are compared."""
    if len(group) < 2:
        return
    prints = np.array([entry.fingerprint for entry in group])
    tolerance = np.array([_tolerance(entry) for entry in group])
    line = prints @ np.random.default_rng(0).uniform(0.5, 1.0, prints.shape[1]) / prints.shape[1]
    order = line.argsort(kind="stable")
    sorted_line = line[order]
    original = np.arange(len(group))
    for position, index in enumerate(order.tolist()):
        low = np.searchsorted(sorted_line, sorted_line[position] - tolerance[index])
        near = order[low:position]
        near = near[(np.abs(prints[near] - prints[index]).max(1) < tolerance[index])]
        for candidate in dict.fromkeys(original[near].tolist()):
            a, b = group[candidate], group[index]
            if _alike(a, b) and same_structure(
                a.frame, a.environment, a.invariants, b.frame, b.environment, b.invariants
            ):
                original[index] = candidate
                break
    members: dict[int, list[int]] = defaultdict(list)
    for index, first in enumerate(original.tolist()):
        members[first].append(index)
    for same in members.values():
        first, *copies = sorted(same, key=lambda index: (group[index].file, group[index].frame.index))
        yield from ((group[first], group[index]) for index in copies)


def _alike(a: _Entry, b: _Entry) -> bool:
    """Whether two structures with nearly the same fingerprint may be the same: cheaper than to look for the rotation."""
    if not _same_distances(a.distances, b.distances):
        return False
    columns = zip(_sorted(a).T, _sorted(b).T, strict=True)
    return all(np.abs(x - y).max() < SAME / 0.7 * np.abs(x).max() for x, y in columns)


def _sorted(entry: _Entry) -> np.ndarray:
    """Invariants of the atoms, sorted by element and, column by column, by size."""
    numbers = entry.frame.atoms.numbers
    return np.stack([column[np.lexsort((column, numbers))] for column in entry.invariants.T], axis=1)


def _same_distances(a: np.ndarray, b: np.ndarray) -> bool:
    """Atoms that move by less than SAME change a distance, and so each entry of the sorted list, by hardly more."""
    shorter = min(len(a), len(b))
    if shorter and np.abs(a[:shorter] - b[:shorter]).max() > SAME:
        return False
    longer = a if len(a) > len(b) else b
    return len(a) == len(b) or bool(longer[shorter] > longer[-1] - 2 * SAME)  # the rest is at the cutoff


def _tolerance(entry: _Entry) -> float:
    """Change of the fingerprint when atoms move by SAME."""
    slope = np.abs(entry.invariants).max(0).max() / 0.7  # an exponential over its width
    return SAME * _SENSITIVITY * slope / np.sqrt(len(entry.invariants))
