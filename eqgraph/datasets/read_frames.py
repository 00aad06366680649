"""Structures and labels from everything that ASE reads. Units are eV, Å, eV/Å, eV/Å³: converted here if ever."""

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.formats import filetype

from .connect_database import connect_database, require_database_package
from .frame import Frame
from .labels import find_label, has_stale_results, label_sources

_LABELS = ("energy", "forces", "stress")


def read_frames(
    path: str | os.PathLike,
    energy_key: str = "energy",
    forces_key: str = "forces",
    stress_key: str = "stress",
    require: Sequence[str] = ("energy", "forces"),
) -> list[Frame]:
    """All structures of a file with their labels, raw: as if no atom were constrained.

    Labels are looked for in atoms.info, atoms.arrays and the results of the calculator that ASE makes of a file's
    energy, forces and stress; in ASE databases also in key_value_pairs and data.

    Args:
        path: any file that ase.io.read reads.
        energy_key: name of the total energy [eV].
        forces_key: name of the forces [eV/Å].
        stress_key: name of the stress [eV/Å³, ASE's sign]: (3, 3), 9 or 6 (xx, yy, zz, yz, xz, xy) numbers, no virial.
        require: which of "energy", "forces", "stress" every structure must have. Isolated atoms need not, but if
            "energy" is required, some frame must have one.

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
    path = Path(path)
    require_file(path)
    require_database_package(path)
    try:
        structures = list(_read(path))
    except Exception as error:  # ASE's readers raise whatever their parsing runs into
        raise ValueError(
            f"Expected '{path}' to be a file that ase.io.read reads (extended XYZ, for example), got "
            f"{type(error).__name__}: {error}. Repair or convert the file."
        ) from error
    return frames_from_atoms(structures, energy_key, forces_key, stress_key, require, source=str(path))


def frames_from_atoms(
    structures: Iterable[ase.Atoms],
    energy_key: str = "energy",
    forces_key: str = "forces",
    stress_key: str = "stress",
    require: Sequence[str] = ("energy", "forces"),
    source: str = "structures",
    first: int = 0,
) -> list[Frame]:
    """The same for structures in memory, which stay as they are.

    Args:
        structures: what ase.io.read(path, ":") returns, for example.
        energy_key: name of the total energy [eV].
        forces_key: name of the forces [eV/Å].
        stress_key: name of the stress [eV/Å³].
        require: which of "energy", "forces", "stress" every structure must have. Isolated atoms need not, but if
            "energy" is required, some frame must have one.
        source: where the structures come from, for messages.
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
    keys = dict(zip(_LABELS, (energy_key, forces_key, stress_key), strict=True))
    _check_arguments(keys, require)
    frames = [_frame(atoms, index, keys, f"{source}, frame {index}") for index, atoms in enumerate(structures, first)]
    if not frames:
        raise ValueError(f"{source}: expected structures, got none. Choose another file or repair this one.")
    for name in require:
        _check_required(name, keys, frames, source)
    return frames


def require_file(path: Path) -> None:
    """Refuse what is not there and what is empty.

    Raises:
        FileNotFoundError: if there is no such file; names one that is called like it.
        ValueError: if it is empty.
    """
    if not path.exists():
        raise FileNotFoundError(f"Expected a file of structures, got '{path}', which does not exist. {_existing(path)}")
    if path.is_file() and path.stat().st_size == 0:
        raise ValueError(f"Expected structures in '{path}', got an empty file. Write the file again.")


def _read(path: Path) -> Iterator[ase.Atoms]:
    if path.is_file() and filetype(str(path)) in ("db", "json"):
        # ase.io.read leaves out key_value_pairs and data, where databases often keep labels.
        for row in connect_database(path).select():
            yield row.toatoms(add_additional_information=True)
    else:
        yield from ase.io.read(path, ":", do_not_split_by_at_sign=True)


def _frame(atoms: object, index: int, keys: dict[str, str], where: str) -> Frame:
    if not isinstance(atoms, ase.Atoms):
        raise TypeError(f"{where}: expected ase.Atoms, got {type(atoms).__name__}. Pass a list of ase.Atoms.")
    if len(atoms) == 0:
        raise ValueError(f"{where}: expected at least one atom, got none. Remove the frame.")
    if not (atoms.numbers > 0).all():
        raise ValueError(
            f"{where}: expected chemical elements, got {atoms.symbols}. Remove atoms of the dummy element X."
        )
    for name, numbers in (("positions", atoms.positions), ("cell", atoms.cell.array)):
        if not np.isfinite(numbers).all():
            raise ValueError(
                f"{where}: expected finite {name}, got NaN or infinite numbers. Remove or repair the frame."
            )
    labels = {name: find_label(atoms, name, key, where) for name, key in keys.items()}
    if labels["stress"] is not None and atoms.cell.rank < 3:
        if labels["stress"].any():
            raise ValueError(
                f"{where}: expected three cell vectors for the stress {keys['stress']!r}, got a cell of rank "
                f"{atoms.cell.rank}. Set the cell or remove the stress."
            )
        labels["stress"] = None  # some programs print zeros for molecules: without volume there is no stress
    return Frame(_copy(atoms), index, **labels)


def _copy(atoms: ase.Atoms) -> ase.Atoms:
    copy = atoms.copy()  # drops the calculator
    results = {name: value for name, value in getattr(atoms.calc, "results", {}).items() if name in all_properties}
    if results and not has_stale_results(atoms):
        copy.calc = SinglePointCalculator(copy, **results)
    return copy


def _check_arguments(keys: dict[str, str], require: Sequence[str]) -> None:
    unknown = [name for name in require if name not in _LABELS]
    if isinstance(require, str) or unknown:
        raise ValueError(
            f"Expected require to be a list of names out of {', '.join(_LABELS)}, got {require!r}. Correct the list."
        )
    if "virial" in keys["stress"].lower():
        raise ValueError(
            f"Expected the key of a stress [eV/Å³], got stress_key={keys['stress']!r}, by its name a virial [eV]. "
            "Store stress = -virial / volume in the file and pass its key."
        )


def _check_required(name: str, keys: dict[str, str], frames: list[Frame], source: str) -> None:
    missing = [frame.index for frame in frames if getattr(frame, name) is None and not frame.is_isolated_atom]
    nowhere = all(getattr(frame, name) is None for frame in frames)
    if not missing and not (nowhere and name == "energy"):  # isolated atoms are there for it
        return
    if nowhere:
        raise ValueError(
            f"{source}: expected {name} under the key {keys[name]!r}, got no frame that has it. "
            f"{_available(name, keys, frames)}"
        )
    raise ValueError(
        f"{source}: expected {name} {keys[name]!r} in every frame, got {len(missing)} of {len(frames)} frames without it, "
        f"the first is frame {missing[0]}. Remove these frames, or do not require {name}."
    )


def _available(name: str, keys: dict[str, str], frames: list[Frame]) -> str:
    """The keys that are there, and the one that was probably meant."""
    present: dict[str, dict[str, None]] = {}  # dicts as ordered sets
    for source, values in chain.from_iterable(label_sources(frame.atoms) for frame in frames):
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
        return f"{message} {virials[0]!r} is no stress: store stress = -virial / volume in the file."
    return f"{message} Give the right one as {name} key."


def _existing(path: Path) -> str:
    siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
    nearest = difflib.get_close_matches(path.name, siblings, n=1)
    return f"Did you mean '{path.with_name(nearest[0])}'?" if nearest else "Check the path."
