"""Structures, their labels and what a model predicts for them, as extended XYZ."""

import os
from collections.abc import Sequence
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator

from eqgraph.replacing import replacing

from .frame import Frame


def write_frames(
    path: str | os.PathLike,
    frames: Sequence[Frame],
    *,
    energies: Sequence[float] | None = None,
    forces: Sequence[np.ndarray] | None = None,
    stresses: Sequence[np.ndarray | None] | None = None,
    dipoles: Sequence[np.ndarray | None] | None = None,
    energy_uncertainties: Sequence[float] | None = None,
    forces_uncertainties: Sequence[np.ndarray] | None = None,
) -> None:
    """Write structures with all that came with them, and predictions beside it, as extended XYZ.

    Labels stay under the keys from which they were read; predictions get the keys pred_energy, pred_forces,
    pred_stress, pred_dipole, pred_energy_uncertainty and pred_forces_uncertainty.
    The file appears complete or not at all; one of that name is replaced.

    Args:
        path: the file to write.
        frames: structures.
        energies: predicted energy [eV] of each frame.
        forces: predicted (atoms, 3) forces [eV/Å] of each frame.
        stresses: predicted (3, 3) stress [eV/Å³] of each frame, None for frames that have none.
        dipoles: predicted (3,) dipole [e·Å] of each frame, None for frames that have none.
        energy_uncertainties: standard deviation [eV] of the energy of each frame.
        forces_uncertainties: (atoms, 3) standard deviations [eV/Å] of the forces of each frame.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if predictions do not match the frames in number or shape.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "predictions.xyz"
        >>> write_frames(path, [Frame(ase.Atoms("H"))], energies=[-13.5])
        >>> float(ase.io.read(path).info["pred_energy"])
        -13.5
    """
    path = Path(path)
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"Expected an existing folder for '{path}', got none. Create '{path.parent}' or choose another path."
        )
    predictions = {
        "energies": energies,
        "forces": forces,
        "stresses": stresses,
        "dipoles": dipoles,
        "energy_uncertainties": energy_uncertainties,
        "forces_uncertainties": forces_uncertainties,
    }
    for name, values in predictions.items():
        if values is not None and len(values) != len(frames):
            raise ValueError(
                f"write_frames: expected {name} of {len(frames)} frames, got {len(values)}. Pass one entry per frame."
            )
    structures = [_writable(frame) for frame in frames]
    for index, atoms in enumerate(structures):
        if energies is not None:
            atoms.info["pred_energy"] = float(energies[index])
        if forces is not None:
            atoms.arrays["pred_forces"] = _shaped(forces[index], (len(atoms), 3), "forces", index)
        if stresses is not None and stresses[index] is not None:
            atoms.info["pred_stress"] = _shaped(stresses[index], (3, 3), "stresses", index)
        if dipoles is not None and dipoles[index] is not None:
            atoms.info["pred_dipole"] = _shaped(dipoles[index], (3,), "dipoles", index)
        if energy_uncertainties is not None:
            atoms.info["pred_energy_uncertainty"] = float(energy_uncertainties[index])
        if forces_uncertainties is not None:
            values, name = forces_uncertainties[index], "forces_uncertainties"
            atoms.arrays["pred_forces_uncertainty"] = _shaped(values, (len(atoms), 3), name, index)

    with replacing(path) as temporary:
        ase.io.write(temporary, structures, format="extxyz")


def _writable(frame: Frame) -> ase.Atoms:
    atoms = frame.atoms.copy()
    results = getattr(frame.atoms.calc, "results", {})
    for name in results:  # ASE refuses to write what is there twice; read_frames has seen to it that the two agree
        atoms.info.pop(name, None)
        atoms.arrays.pop(name, None)
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _shaped(values: np.ndarray, shape: tuple[int, ...], name: str, index: int) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(
            f"write_frames: expected {name}[{index}] of shape {shape}, got {array.shape}. Pass one array per frame."
        )
    return array
