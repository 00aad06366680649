"""Shortest distances of each pair of elements, and atoms that are closer than any bond."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement

import numpy as np
from ase.data import chemical_symbols, covalent_radii

from .data_file import CheckedData, DataFile
from .finding import Finding

CHECK = "distances"
_TOO_CLOSE = 0.5
"""Of the sum of the covalent radii: bonds are hardly shorter than 0.8 of it."""
_SAME_PLACE = 1e-3
"""Atoms closer than this [Å] are the same atom written twice; graphs refuse them."""


def check_distances(data: CheckedData) -> Iterator[Finding]:
    """The shortest distance of every pair of elements, file by file, against covalent radii."""
    for file in data.files:
        yield from _judge(file, data)


def _judge(file: DataFile, data: CheckedData) -> Iterator[Finding]:
    shortest: dict[tuple[int, int], tuple[float, int]] = {}
    close, same = [], []
    for frame, env in data.environments(file):
        if not len(env.distance):
            continue
        if env.distance.min() < _SAME_PLACE:
            same.append(frame.index)
        elif env.relative.min() < _TOO_CLOSE:
            close.append(frame.index)
        numbers = frame.atoms.numbers
        low, high = np.minimum(numbers[env.src], numbers[env.dst]), np.maximum(numbers[env.src], numbers[env.dst])
        for pair in combinations_with_replacement(np.unique(numbers).tolist(), 2):
            of_pair = env.distance[(low == pair[0]) & (high == pair[1])]
            if len(of_pair) and of_pair.min() < shortest.get(pair, (np.inf, 0))[0]:
                shortest[pair] = float(of_pair.min()), frame.index
    if not shortest:
        return
    texts, numbers = [], {}
    for (a, b), (distance, index) in sorted(shortest.items()):
        name = f"{chemical_symbols[a]}-{chemical_symbols[b]}"
        relative = distance / (covalent_radii[a] + covalent_radii[b])
        numbers[name] = {"distance": distance, "over_covalent_radii": float(relative), "frame": index}
        texts.append((relative, f"{name} {distance:.3f} (frame {index})"))
    shown = [text for _, text in sorted(texts)]
    listing = ", ".join(shown[:10]) + (f" and {len(shown) - 10} more pairs" if len(shown) > 10 else "")
    if same:
        message = f"Expected atoms at different places, came {len(same)} frames with atoms closer than {_SAME_PLACE} Å. Remove one."
        yield Finding("error", CHECK, message, file.name, tuple(same))
    if close:
        message = (
            f"Expected atoms at least {_TOO_CLOSE:g} of the sum of their covalent radii apart, came {len(close)} frames with "
            f"closer ones. Look whether they are meant. Shortest (Å): {listing}."
        )
        yield Finding("warning", CHECK, message, file.name, tuple(close), numbers)
    else:
        yield Finding("ok", CHECK, f"Shortest distances (Å): {listing}.", file.name, numbers=numbers)
