"""Do the compositions determine the energy E0 of every element? And which E0s follow from the data?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase.data import chemical_symbols

from eqgraph.datasets import AtomicEnergies, atomic_energies

from .data_file import CheckedData
from .finding import Finding

CHECK = "E0s"


def suggested_energies(data: CheckedData) -> AtomicEnergies:
    """E0s of the first file, with isolated atoms of all files.

    Raises:
        ValueError: for the reasons of atomic_energies.
    """
    first, *others = data.files
    isolated = [frame for file in others for frame in file.frames if frame.is_isolated_atom]
    return atomic_energies(first.frames, "auto", isolated)


def check_compositions(data: CheckedData) -> Iterator[Finding]:
    """The rank of the composition matrix of the first file, and E0s."""
    first = data.files[0]
    frames = [frame for frame in first.molecules if frame.energy is not None]
    if not frames:
        return
    elements = sorted({number for frame in frames for number in frame.atoms.numbers.tolist()})
    counts = np.array([np.bincount(frame.atoms.numbers, minlength=elements[-1] + 1)[elements] for frame in frames])
    distinct = np.unique(counts, axis=0)
    rank = int(np.linalg.matrix_rank(distinct))
    numbers = {"rank": rank, "num_elements": len(elements), "num_compositions": len(distinct)}
    what = f"{len(distinct)} composition{'s' if len(distinct) > 1 else ''} of rank {rank} for {len(elements)} elements"
    try:
        found = suggested_energies(data)
    except ValueError as error:
        yield Finding("warning", CHECK, f"{what}. {error}", first.name, numbers=numbers)
        return
    text = ", ".join(f"{chemical_symbols[number]}: {energy:.6g}" for number, energy in found.shifts.items())
    symbols = {chemical_symbols[number]: energy for number, energy in found.shifts.items()}
    message = f"{what}. Suggested E0s (eV): {{{text}}} ({found.description})."
    yield Finding(
        "info" if rank < len(elements) else "ok", CHECK, message, first.name, numbers=numbers | {"E0s": symbols}
    )
