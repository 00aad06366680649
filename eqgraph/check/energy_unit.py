"""Are energies in eV? Total energies of all electrons are near those of the free atoms, which everybody knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from ase import units

from eqgraph.datasets import Frame

from .data_file import CheckedData, DataFile
from .finding import Finding
from .frame_pairs import spread
from .units import ENERGIES

CHECK = "unit of the energies"
# fmt: off
ATOMIC_ENERGIES = dict(enumerate((
    -0.500, -2.904, -7.478, -14.667, -24.654, -37.845, -54.589, -75.067, -99.734, -128.94,  # H to Ne
    -162.26, -200.05, -242.35, -289.36, -341.26, -398.11, -460.15, -527.54,  # Na to Ar
    -599.9, -677.5, -760.6, -849.3, -943.9, -1044.3, -1150.9, -1263.5, -1382.6, -1508.2, -1640.4, -1779.3,  # K to Zn
    -1924.7, -2076.9, -2235.8, -2401.4, -2574.1, -2753.9,  # Ga to Kr
), start=1))
# fmt: on
"""Total energies of free atoms, not relativistic [Hartree]; good to a few parts in a thousand."""
_CLOSE = 0.015
_NUM_FRAMES = 200
_BINDING = (-20.0, 5.0)
"""Energies of structures less those of their atoms [eV/atom]: beyond -9 (tungsten) there are none."""
_STEEP = 12.0
"""Median force [eV/Å]: in liquids and solids at a few thousand kelvin it is below 5."""


def check_energy_unit(data: CheckedData) -> Iterator[Finding]:
    """Compare energies with those of free atoms, of the data or of textbooks, and look at the size of forces, file by file."""
    for file in data.files:
        frames = spread([frame for frame in file.frames if frame.energy is not None], _NUM_FRAMES)
        if frames:
            yield _judge(file, frames, data.files)
        yield from _forces(file)


def _judge(file: DataFile, frames: Sequence[Frame], files: Sequence[DataFile]) -> Finding:
    ratio, spread_of_ratio = _over_all_electrons(frames)
    if spread_of_ratio < _CLOSE:
        for unit, value in ENERGIES.items():
            expected = units.Hartree / value
            if abs(ratio / expected - 1) < _CLOSE:
                came = f"energies are {ratio / expected:.3f} times those of the free atoms (all electrons) in {unit}"
                numbers = {"ratio_to_free_atoms_in_Hartree": ratio}
                if unit == "eV":
                    return Finding("ok", CHECK, f"Energies are in eV: {came}.", file.name, numbers=numbers)
                message = f"Expected energies in eV, came numbers that look like {unit}: {came}. Multiply them by {value:.6g}."
                return Finding("warning", CHECK, message, file.name, numbers=numbers)
    binding = _binding(file, files)
    if binding is not None and not _BINDING[0] < binding < _BINDING[1]:
        message = (
            f"Expected structures {_BINDING[0]:g} to {_BINDING[1]:g} eV per atom from their isolated atoms, came {binding:.4g} on "
            "average. Look whether energies are in kcal/mol or kJ/mol, or the isolated atoms of another method."
        )
        return Finding("warning", CHECK, message, file.name, numbers={"binding_per_atom": binding})
    mean = float(np.mean([frame.energy / len(frame.atoms) for frame in frames]))
    return Finding(
        "info",
        CHECK,
        f"Energies are {mean:.6g} per atom on average, which is neither of all electrons nor tells a unit: see to it that it is eV.",
        file.name,
        numbers={"mean_energy_per_atom": mean},
    )


def _over_all_electrons(frames: Sequence[Frame]) -> tuple[float, float]:
    """Median of energies over those of the free atoms in Hartree, and how much it varies; NaN where that is not known."""
    ratios = []
    for frame in frames:
        numbers = frame.atoms.numbers
        if numbers.max() in ATOMIC_ENERGIES:
            ratios.append(frame.energy / sum(ATOMIC_ENERGIES[number] for number in numbers.tolist()))
    # hydrogen alone is far from its free atoms in relation to their small energy
    if len(ratios) < len(frames) or all((frame.atoms.numbers == 1).all() and len(frame.atoms) > 1 for frame in frames):
        return np.nan, np.nan
    ratio = float(np.median(ratios))
    return ratio, float(np.median(np.abs(np.array(ratios) / ratio - 1))) if ratio else np.nan


def _binding(file: DataFile, files: Sequence[DataFile]) -> float | None:
    """Mean energy per atom less isolated atoms, which may be in any of the files."""
    atoms = {}
    for frame in (frame for other in files for frame in other.frames):
        if frame.is_isolated_atom and frame.energy is not None:
            atoms[int(frame.atoms.numbers[0])] = frame.energy
    found = [
        (frame.energy - sum(atoms[number] for number in frame.atoms.numbers.tolist())) / len(frame.atoms)
        for frame in file.molecules
        if frame.energy is not None and atoms.keys() >= set(frame.atoms.numbers.tolist())
    ]
    return float(np.mean(found)) if found else None


def _forces(file: DataFile) -> Iterator[Finding]:
    frames = spread([frame for frame in file.molecules if frame.forces is not None], _NUM_FRAMES)
    if not frames:
        return
    median = float(np.median(np.linalg.norm(np.concatenate([frame.forces for frame in frames]), axis=1)))
    if median > _STEEP:
        yield Finding(
            "warning",
            "size of the forces",
            f"Expected forces of some eV/Å, came a median of {median:.3g}. Look whether they are in kcal/mol/Å (23.06 per eV/Å), and "
            "energies in kcal/mol.",
            file.name,
            numbers={"median_force": median},
        )
