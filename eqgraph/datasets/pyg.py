"""Molecules of PyG's data sets, and of the files they are made of, as frames to train potentials on."""

import os
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import ase
import ase.units
import numpy as np
from torch_geometric.data import Data

from .frame import Frame
from .read_frames import frames_from_atoms

KCAL_PER_MOL = ase.units.kcal / ase.units.mol
"""1 kcal/mol [eV] = 4184 J / N_A, CODATA 2014 as in ASE: 0.0433641. MD17 and rMD17 come in it."""

_QM9_U0 = 7
"""Column of Data.y in PyG's QM9 that is the internal energy at 0 K [eV]."""

_MD17_KEYS = {
    "numbers": ("z", "nuclear_charges"),
    "positions": ("R", "coords"),
    "energy": ("E", "energies"),
    "forces": ("F", "forces"),
}
"""What arrays are called in MD17 and in rMD17."""


def frames_from_pyg(dataset: Iterable[Data], unit: float | None = None, target: int = _QM9_U0) -> list[Frame]:
    """Structures with energies, and forces if there are any, of a PyG data set of molecules.

    MD17: energy and force, in kcal/mol and kcal/mol/Å. QM9: y[:, target], which PyG has converted to eV. PyG keeps energies in float32:
    of a total energy of -4·10⁵ kcal/mol that leaves 1 meV. `read_md17` reads the same files in float64.

    Args:
        dataset: PyG's MD17 or QM9, indexed or not, or Data with z, pos, energy and perhaps force.
        unit: what energies are multiplied by [eV]; None: known for MD17 (kcal/mol) and QM9 (1).
        target: column of y in QM9: 7 is the energy U0; 12 its difference to the free atoms.

    Raises:
        ValueError: if z, pos or the energy are missing, or the unit is unknown, or for the reasons of frames_from_atoms.

    Example:
        >>> import torch
        >>> water = Data(z=torch.tensor([8, 1, 1]), pos=torch.randn(3, 3), energy=torch.tensor(-47900.0), force=torch.zeros(3, 3))
        >>> round(frames_from_pyg([water], unit=KCAL_PER_MOL)[0].energy, 1)
        -2077.1

    Reference: Ramakrishnan et al. 2014, doi:10.1038/sdata.2014.22; Chmiela et al. 2017, arXiv:1611.04678.
    """
    if unit is None:
        from torch_geometric.datasets import MD17, QM9  # takes a second: whoever has no such data does not wait for it

        unit = KCAL_PER_MOL if isinstance(dataset, MD17) else 1.0 if isinstance(dataset, QM9) else None
    if unit is None:
        raise ValueError(
            f"Expected PyG's MD17 or QM9, whose units are known, got {type(dataset).__name__}. Pass unit, the energy's unit in "
            "eV: 1.0, or KCAL_PER_MOL."
        )
    structures = [_atoms(data, unit, target, f"Data {index}") for index, data in enumerate(dataset)]
    return frames_from_atoms(structures, require=("energy",), source=type(dataset).__name__)


def read_md17(path: str | os.PathLike, indices: Sequence[int] | np.ndarray | None = None) -> list[Frame]:
    """Structures, energies and forces of an npz file of MD17 (arrays z, R, E, F) or rMD17 (nuclear_charges, coords, energies, forces).

    Args:
        path: the file, in Å and kcal/mol.
        indices: only these, as in the splits index_train_01.csv that come with rMD17; None: all.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if arrays are missing or do not fit together, or there is no such index.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "md17_hydrogen.npz"
        >>> np.savez(path, z=[1, 1], R=np.random.rand(5, 2, 3), E=np.full((5, 1), -730.0), F=np.zeros((5, 2, 3)))
        >>> [frame] = read_md17(path, indices=[3])
        >>> frame.index, round(frame.energy, 3)
        (3, -31.656)

    Reference: Chmiela et al. 2017, arXiv:1611.04678; Christensen & von Lilienfeld 2020, arXiv:2007.09593.
    """
    path = Path(path)
    arrays = _md17_arrays(path)
    num_frames, num_atoms = len(arrays["energy"]), len(arrays["numbers"])
    expected = {"positions": (num_frames, num_atoms, 3), "forces": (num_frames, num_atoms, 3), "energy": (num_frames,)}
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise ValueError(
                f"{path}: expected {name} of shape {shape} for {num_frames} energies of {num_atoms} atoms, got "
                f"{arrays[name].shape}. Copy the file again."
            )
    chosen = np.arange(num_frames) if indices is None else np.asarray(indices, dtype=np.int64).reshape(-1)
    outside = chosen[(chosen < 0) | (chosen >= num_frames)]
    if len(outside):
        raise ValueError(f"{path}: expected indices from 0 to {num_frames - 1}, got {outside[0]}. Correct the list.")
    structures = []
    for index in chosen:
        atoms = ase.Atoms(arrays["numbers"], arrays["positions"][index])
        atoms.info["energy"] = float(arrays["energy"][index]) * KCAL_PER_MOL
        atoms.arrays["forces"] = arrays["forces"][index].astype(np.float64) * KCAL_PER_MOL
        structures.append(atoms)
    frames = frames_from_atoms(structures, source=str(path))
    return [replace(frame, index=int(index)) for frame, index in zip(frames, chosen, strict=True)]


def _atoms(data: Data, unit: float, target: int, where: str) -> ase.Atoms:
    energy, forces = data.get("energy"), data.get("force")
    if energy is None and data.get("y") is not None and data.y.ndim == 2 and 0 <= target < data.y.shape[1]:
        energy = data.y[0, target]
    missing = [name for name, value in (("z", data.get("z")), ("pos", data.pos), ("energy", energy)) if value is None]
    if missing:
        raise ValueError(
            f"{where}: expected z, pos and energy, or y with column {target}, got {', '.join(sorted(data.keys()))} without "
            f"{', '.join(missing)}. Choose another data set or target."
        )
    atoms = ase.Atoms(data.z.cpu().numpy(), data.pos.detach().double().cpu().numpy())
    atoms.info["energy"] = float(energy) * unit
    if forces is not None:
        atoms.arrays["forces"] = forces.detach().double().cpu().numpy() * unit
    return atoms


def _md17_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as file:  # without pickles: reading runs no code
            there = {name: next((key for key in keys if key in file.files), None) for name, keys in _MD17_KEYS.items()}
            arrays = {name: file[key] for name, key in there.items() if key is not None}
            keys = list(file.files)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path}: expected an npz file, got {error}. Copy it again.") from error
    missing = [" or ".join(_MD17_KEYS[name]) for name in _MD17_KEYS if name not in arrays]
    if missing:
        raise ValueError(
            f"{path}: expected the arrays of MD17 or rMD17, got {', '.join(keys)} without {', '.join(missing)}. Choose another "
            "file."
        )
    arrays["energy"] = arrays["energy"].reshape(-1)
    return arrays
