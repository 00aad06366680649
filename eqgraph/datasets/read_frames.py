"""Structures and labels from everything that ASE reads. Units are eV, Å, eV/Å, eV/Å³: converted here if ever."""

import difflib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import chemical_symbols
from ase.io.formats import filetype

from eqgraph.graph import MIN_THICKNESS

from .connect_database import connect_database, require_database_package
from .frame import Frame
from .labels import find_label, has_stale_results, label_sources
from .progress import with_progress
from .refuse_code import refuse_code
from .virial import stress_of
from .weight import find_weight
from .xyz_frames import checked_xyz, xyz_frames

_LABELS = ("energy", "forces", "stress", "virial", "dipole")
LABEL_KEYS = tuple(f"{name}_key" for name in _LABELS)
"""Arguments of read_frames that name labels."""
_REQUIRABLE = ("energy", "forces", "stress", "dipole")
LARGEST_LENGTH = 1e7
"""Å; with float64, neighbors are found exactly enough up to here, and what is larger is a mistake."""


def read_frames(
    path: str | os.PathLike,
    energy_key: str = "energy",
    forces_key: str = "forces",
    stress_key: str = "stress",
    require: Sequence[str] = ("energy", "forces"),
    virial_key: str = "virial",
    dipole_key: str = "dipole",
) -> list[Frame]:
    """All structures of a file with their labels, raw: as if no atom were constrained.

    Labels are looked for in atoms.info, atoms.arrays and the results of the calculator that ASE makes of a file's
    energy, forces and stress; in ASE databases also in key_value_pairs and data.

    Args:
        path: any file that ase.io.read reads.
        energy_key: name of the total energy [eV].
        forces_key: name of the forces [eV/Å].
        stress_key: name of the stress [eV/Å³, ASE's sign]: (3, 3), 9 or 6 (xx, yy, zz, yz, xz, xy) numbers, no virial.
        require: which of "energy", "forces", "stress", "dipole" every structure must have. Isolated atoms need not, but if
            "energy" is required, some frame must have one. A virial is a stress.
        virial_key: name of the virial [eV], of the same shapes: read as stress = -virial / volume.
        dipole_key: name of the dipole moment [e·Å], 3 numbers. Structures that are periodic or charged (info charge or
            total_charge) have none: theirs depends on the choice of the origin.

    Raises:
        FileNotFoundError: if there is no such file.
        ImportError: if it is an ASE LMDB and the package that reads these is not installed.
        ValueError: if the file is empty or ASE cannot read it, or for the reasons of frames_from_atoms.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "hydrogen.xyz"
        >>> _ = path.write_text("1\\nREF_energy=-13.6 Properties=species:S:1:pos:R:3\\nH 0.0 0.0 0.0\\n")
        >>> read_frames(path, energy_key="REF_energy")
        [Frame(atoms=Atoms(symbols='H', pbc=False), index=0, energy=-13.6)]
    """
    keys = (energy_key, forces_key, stress_key, require, str(path), virial_key, dipole_key)
    return frames_from_atoms(read_structures(path), *keys)


def frames_from_atoms(
    structures: Iterable[ase.Atoms],
    energy_key: str = "energy",
    forces_key: str = "forces",
    stress_key: str = "stress",
    require: Sequence[str] = ("energy", "forces"),
    source: str = "structures",
    virial_key: str = "virial",
    dipole_key: str = "dipole",
    first: int = 0,
) -> list[Frame]:
    """The same for structures in memory, which stay as they are.

    Args:
        structures: what ase.io.read(path, ":") returns, for example.
        energy_key: name of the total energy [eV].
        forces_key: name of the forces [eV/Å].
        stress_key: name of the stress [eV/Å³].
        require: which of "energy", "forces", "stress", "dipole" every structure must have. Isolated atoms need not, but if
            "energy" is required, some frame must have one.
        source: where the structures come from, for messages.
        virial_key: name of the virial [eV].
        dipole_key: name of the dipole moment [e·Å].
        first: number of the first structure there.

    Raises:
        TypeError: if a structure is not ase.Atoms.
        ValueError: if there are no structures, a structure is empty or has positions or labels that are not finite,
            have the wrong shape or contradict each other, or if a required label is missing. Names the frame, counted
            from 0.

    Example:
        >>> atoms = ase.Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], info={"E": -31.7})
        >>> frames_from_atoms([atoms], energy_key="E", require=["energy"])[0].energy
        -31.7
    """
    keys = dict(zip(_LABELS, (energy_key, forces_key, stress_key, virial_key, dipole_key), strict=True))
    _check_arguments(keys, require)
    frames = [frame_from_atoms(atoms, index, keys, source) for index, atoms in enumerate(structures, first)]
    if not frames:
        raise ValueError(f"{source}: expected structures, got none. Choose another file or repair this one.")
    for name in require:
        _check_required(name, keys, frames, source)
    return frames


def require_file(path: Path) -> None:
    """Refuse what is not there, what is empty, and what may contain code.

    Raises:
        FileNotFoundError: if there is no such file; names one that is called like it.
        ValueError: if it is empty, or of a kind that runs code when it is read.
    """
    if not path.exists():
        raise FileNotFoundError(f"Expected a file of structures, got '{path}', which does not exist. {_existing(path)}")
    if path.is_file() and path.stat().st_size == 0:
        raise ValueError(f"Expected structures in '{path}', got an empty file. Write the file again.")
    refuse_code(path)


def read_structures(path: str | os.PathLike) -> list[ase.Atoms]:
    """All structures of a file as ASE reads them, unchecked.

    Raises:
        FileNotFoundError, ValueError: for the reasons of require_file, or if ASE cannot read it.
        ImportError: if it is an ASE LMDB and the package that reads these is not installed.
    """
    path = Path(path)
    require_file(path)
    require_database_package(path)
    format = file_format(path)
    num_frames = sum(1 for _ in checked_xyz(path)) if format == "extxyz" else None
    try:
        return list(with_progress(_read(path, format), f"Reading {path.name}", num_frames))
    except Exception as error:  # ASE's readers raise whatever their parsing runs into
        raise ValueError(
            f"Expected '{path}' to be a file that ase.io.read reads (extended XYZ, for example), got "
            f"{type(error).__name__}{_in_frame(path, format)}: {error}. Repair or convert the file."
        ) from error


def file_format(path: Path) -> str:
    """What a file is, in ASE's names: "extxyz", "db" and so on; "" for folders, and if that cannot be told."""
    try:
        return filetype(str(path)) if path.is_file() else ""
    except Exception:  # of a file that is cut off, or of another kind; said by whatever reads it
        return ""


def _in_frame(path: Path, format: str) -> str:
    """Which frame ASE cannot read, where it does not say so itself."""
    if format != "extxyz":
        return ""
    for frame in xyz_frames(path):
        try:
            ase.io.read(io.StringIO(frame.text), ":", format="extxyz")
        except Exception:  # the same as that of the whole file
            return f" in frame {frame.index} (line {frame.line})"
    return ""


def _read(path: Path, format: str) -> Iterator[ase.Atoms]:
    if format in ("db", "json"):
        # ase.io.read leaves out key_value_pairs and data, where databases often keep labels.
        for row in connect_database(path).select():
            yield row.toatoms(add_additional_information=True)
    else:
        yield from ase.io.iread(path, ":", do_not_split_by_at_sign=True)


def frame_from_atoms(atoms: object, index: int, keys: dict[str, str], source: str) -> Frame:
    """One structure with its labels.

    Args:
        atoms: the structure, ase.Atoms.
        index: its place in its file, counted from 0.
        keys: names of labels, or of some of them -> under which name they are stored.
        source: where the structures come from, for messages.

    Raises:
        TypeError, ValueError: for the reasons of frames_from_atoms.
    """
    where = f"{source}, frame {index}"
    if not isinstance(atoms, ase.Atoms):
        raise TypeError(f"{where}: expected ase.Atoms, got {type(atoms).__name__}. Pass a list of ase.Atoms.")
    if len(atoms) == 0:
        raise ValueError(f"{where}: expected at least one atom, got none. Remove the frame.")
    if ((atoms.numbers < 1) | (atoms.numbers >= len(chemical_symbols))).any():
        raise ValueError(
            f"{where}: expected chemical elements, got the atomic numbers {sorted(set(atoms.numbers.tolist()))}. Remove atoms of the "
            "dummy element X (0), and repair the others."
        )
    for name, numbers in (("positions", atoms.positions), ("cell", atoms.cell.array)):
        if not np.isfinite(numbers).all():
            raise ValueError(
                f"{where}: expected finite {name}, got NaN or infinite numbers. Remove or repair the frame."
            )
        if np.abs(numbers).max(initial=0) > LARGEST_LENGTH:
            raise ValueError(
                f"{where}: expected {name} of at most {LARGEST_LENGTH:g} Å, got {np.abs(numbers).max():g}. Remove or repair the frame."
            )
    periodic = atoms.cell.array[atoms.pbc]
    if len(periodic) and np.linalg.svd(periodic, compute_uv=False).min() < MIN_THICKNESS:
        raise ValueError(
            f"{where}: expected linearly independent cell vectors [Å] where pbc={atoms.pbc.tolist()}, got "
            f"{atoms.cell.array.tolist()}. Set the cell (Lattice in extended XYZ), or pbc=False where there is none."
        )
    labels = {name: find_label(atoms, name, key, where) for name, key in keys.items()}
    labels["stress"] = stress_of(atoms, labels.get("stress"), labels.pop("virial", None), keys, where)
    if not _has_dipole(atoms):
        labels["dipole"] = None
    return Frame(_copy(atoms), index, weight=find_weight(atoms, where), source=source, **labels)


def _has_dipole(atoms: ase.Atoms) -> bool:
    """Whether the dipole moment is a property of the structure, whatever the origin and the choice of periodic images."""
    charges = (atoms.info.get(key) for key in ("charge", "total_charge"))
    return not atoms.pbc.any() and all(charge is None or np.all(charge == 0) for charge in charges)


def _copy(atoms: ase.Atoms) -> ase.Atoms:
    copy = atoms.copy()  # drops the calculator
    results = {name: value for name, value in getattr(atoms.calc, "results", {}).items() if name in all_properties}
    if results and not has_stale_results(atoms):
        copy.calc = SinglePointCalculator(copy, **results)
    return copy


def _check_arguments(keys: dict[str, str], require: Sequence[str]) -> None:
    unknown = [name for name in require if name not in _REQUIRABLE]
    if isinstance(require, str) or unknown:
        raise ValueError(
            f"Expected require to be a list of names out of {', '.join(_REQUIRABLE)}, got {require!r}. Correct the list."
        )
    if "virial" in keys["stress"].lower():
        raise ValueError(
            f"Expected the key of a stress [eV/Å³], got stress_key={keys['stress']!r}, by its name a virial [eV]. "
            "Pass it as virial_key: it is converted."
        )


def _check_required(name: str, keys: dict[str, str], frames: list[Frame], source: str) -> None:
    missing = [frame.index for frame in frames if getattr(frame, name) is None and not frame.is_isolated_atom]
    nowhere = all(getattr(frame, name) is None for frame in frames)
    if not missing and not (nowhere and name == "energy"):  # isolated atoms are there for it
        return
    if nowhere:
        virial = f" (nor a virial under {keys['virial']!r})" if name == "stress" else ""
        raise ValueError(
            f"{source}: expected {name} under the key {keys[name]!r}, got no frame that has it{virial}. "
            f"{available_keys(name, keys, [frame.atoms for frame in frames])}"
        )
    raise ValueError(
        f"{source}: expected {name} {keys[name]!r} in every frame, got {len(missing)} of {len(frames)} frames without it, "
        f"the first is frame {missing[0]}. Remove these frames, or do not require {name}."
    )


def available_keys(name: str, keys: dict[str, str], structures: Sequence[ase.Atoms]) -> str:
    """A sentence on the keys that are there, and the one that was probably meant for the label of a name."""
    present: dict[str, dict[str, None]] = {}  # dicts as ordered sets
    for source, values in chain.from_iterable(map(label_sources, structures)):
        present.setdefault(source, {}).update(dict.fromkeys(map(str, values)))
    for structural in ("numbers", "positions"):
        present["atoms.arrays"].pop(structural, None)
    listed = "; ".join(f"{source}: {', '.join(names)}" for source, names in present.items() if names)
    message = f"Keys that are there: {listed}." if listed else "The file has no labels at all."
    unused = {key.lower(): key for names in present.values() for key in names if key not in keys.values()}
    virials = [key for lower, key in unused.items() if "virial" in lower]
    nearest = difflib.get_close_matches(keys[name].lower(), [lower for lower in unused if "virial" not in lower], n=1)
    if nearest:
        return f"{message} Did you mean {unused[nearest[0]]!r} for the {name} key?"
    if name == "stress" and virials:
        return f"{message} {virials[0]!r} is by its name a virial [eV]: give it as virial key, it is converted."
    if name == "dipole" and any(keys[name] in values for atoms in structures for _, values in label_sources(atoms)):
        return f"{message} Dipoles of periodic and of charged structures are not used: set pbc to F for molecules in a box."
    return f"{message} Give the right one as {name} key."


def _existing(path: Path) -> str:
    siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
    nearest = difflib.get_close_matches(path.name, siblings, n=1)
    return f"Did you mean '{path.with_name(nearest[0])}'?" if nearest else "Check the path."
