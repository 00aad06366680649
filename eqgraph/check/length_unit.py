"""Are positions in Å? Bonds are as long as two covalent radii."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from ase.data import covalent_radii

from eqgraph.datasets import Frame

from .data_file import CheckedData
from .finding import Finding
from .frame_pairs import spread

CHECK = "unit of the positions"
_NOBLE_GASES = (2, 10, 18, 36, 54, 86)
_NUM_FRAMES = 30
_MAX_ATOMS = 300
_UNITS = {"Bohr": (1.45, 2.4), "nm": (0.05, 0.15), "pm": (50.0, 200.0)}
"""What bonds over two covalent radii are if lengths are in this unit; in Å they are 0.8 to 1.3."""


def relative_distances(frames: Sequence[Frame]) -> np.ndarray:
    """Distance of atoms to their nearest neighbors over the sum of the covalent radii, of a few frames; noble gases left out."""
    found = [np.zeros(0)]
    for frame in spread([f for f in frames if len(f.atoms) > 1], _NUM_FRAMES):
        atoms = frame.atoms
        vectors = atoms.positions[:_MAX_ATOMS, None] - atoms.positions
        if atoms.pbc.any() and atoms.cell.rank == 3:
            fractional = vectors @ np.linalg.inv(atoms.cell.array)
            vectors = (fractional - np.where(atoms.pbc, np.round(fractional), 0)) @ atoms.cell.array
        radii = covalent_radii[atoms.numbers]
        relative = np.linalg.norm(vectors, axis=2) / (radii[:_MAX_ATOMS, None] + radii)
        relative[np.arange(len(relative)), np.arange(len(relative))] = np.inf
        found.append(relative.min(1)[~np.isin(atoms.numbers[:_MAX_ATOMS], _NOBLE_GASES)])
    return np.concatenate(found)


def possible_lengths(frames: Sequence[Frame]) -> tuple[str, ...]:
    """Units of the positions that are not excluded by the distances."""
    relative = relative_distances(frames)
    if not len(relative):
        return ("Å", "Bohr", "nm")
    median = float(np.median(relative))
    if median < 0.2:
        return ("nm",)
    return ("Bohr",) if _UNITS["Bohr"][0] < median < _UNITS["Bohr"][1] else ("Å",)


def check_length_unit(data: CheckedData) -> Iterator[Finding]:
    """Compare the median of the nearest distances with covalent radii, file by file."""
    for file in data.files:
        relative = relative_distances(file.molecules)
        if not len(relative):
            continue
        median = float(np.median(relative))
        expected = "Expected atoms about two covalent radii from their nearest neighbors (0.8 to 1.3 times the sum)"
        came = f"came {median:.2f} times the sum (median of {len(relative)} atoms)"
        unit = next((name for name, (low, high) in _UNITS.items() if low < median < high), None)
        if unit is not None:
            severity, message = (
                "warning",
                f"{expected}, {came}. Look whether positions are in {unit}: convert them to Å.",
            )
        elif 0.45 < median < 0.6:
            severity, message = (
                "warning",
                f"{expected}, {came}. Look whether positions were converted from Bohr to Å twice.",
            )
        elif 0.65 < median < 1.45:
            severity, message = (
                "ok",
                f"Positions are in Å: nearest neighbors are at {median:.2f} times the sum of the covalent radii.",
            )
        else:
            severity, message = (
                "info",
                f"{expected}, {came}. Look whether this is meant and whether positions are in Å.",
            )
        yield Finding(severity, CHECK, message, file.name, numbers={"median_relative_distance": median})
