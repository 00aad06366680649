"""Find a label among everything that ase.Atoms can carry, and check it."""

from collections.abc import Callable, Iterator
from functools import partial

import ase
import numpy as np

_SAME = {"rtol": 1e-9, "atol": 1e-6}
"""Differences that come from the digits that text formats keep."""
_LARGEST = 1e7
"""Of a label, in eV and Å, per atom: all electrons of the heaviest element together have less than 2e6 eV."""


def label_sources(atoms: ase.Atoms) -> Iterator[tuple[str, dict]]:
    """Names and contents of all that may hold labels: info, arrays, the results of the calculator.

    Results are taken as they are: get_forces() would set those of constrained atoms to zero.
    """
    yield "atoms.info", atoms.info
    for name in ("key_value_pairs", "data"):  # where ASE databases put what is not a calculator's result
        if isinstance(nested := atoms.info.get(name), dict):
            yield f"atoms.info[{name!r}]", nested
    yield "atoms.arrays", atoms.arrays
    yield "calculator results", getattr(atoms.calc, "results", {})


def find_label(atoms: ase.Atoms, name: str, key: str, where: str) -> float | np.ndarray | None:
    """One label of a structure, checked; None if the structure does not have it.

    Args:
        atoms: the structure.
        name: "energy" (a scalar, eV), "forces" ((atoms, 3), eV/Å), "stress" ((3, 3), eV/Å³), "virial" ((3, 3), eV) or "dipole"
            ((3,), e·Å).
        key: under which name it is stored.
        where: the structure's name in messages.

    Raises:
        ValueError: if the label has the wrong shape or is not finite, if two sources disagree, or if the calculator's
            results belong to another structure.
    """
    parse = _PARSERS[name]
    found = {}
    for source, values in label_sources(atoms):
        if values.get(key) is not None:
            if source == "calculator results" and has_stale_results(atoms):
                raise ValueError(
                    f"{where}: expected the calculator's {key!r} to belong to this structure, got one computed for "
                    "other positions or another cell. Give each structure a SinglePointCalculator of its own."
                )
            found[source] = parse(values[key], key, where, len(atoms))
    if not found:
        return None
    (first_source, first), *others = found.items()
    for source, value in others:
        if not np.allclose(first, value, **_SAME):
            difference = np.abs(np.subtract(first, value)).max()
            raise ValueError(
                f"{where}: expected one value of {key!r}, got two that differ by {difference:.2g}, in {first_source} "
                f"and in {source}. Remove one of them, or store the right one under another key."
            )
    return first


def has_stale_results(atoms: ase.Atoms) -> bool:
    """Whether the calculator's results belong to another structure: copies may share the calculator of the last."""
    computed = getattr(atoms.calc, "atoms", None)
    if computed is None:
        return False
    close = partial(np.allclose, **_SAME)
    return not (
        np.array_equal(atoms.numbers, computed.numbers)
        and np.array_equal(atoms.pbc, computed.pbc)
        and close(atoms.positions, computed.positions)
        and close(atoms.cell.array, computed.cell.array)
    )


def _energy(value: object, key: str, where: str, num_atoms: int) -> float:
    array = _numbers(value, key, where, num_atoms)
    if array.size != 1:
        raise ValueError(
            f"{where}: expected the energy {key!r} to be one number [eV], got shape {array.shape}. Choose the key of "
            "the total energy."
        )
    return float(array.item())


def _forces(value: object, key: str, where: str, num_atoms: int) -> np.ndarray:
    array = _numbers(value, key, where, num_atoms)
    if array.shape != (num_atoms, 3):
        raise ValueError(
            f"{where}: expected forces {key!r} of shape ({num_atoms}, 3), one vector [eV/Å] per atom, got shape "
            f"{array.shape}. Remove or repair the structure, or choose another key."
        )
    return array


def _dipole(value: object, key: str, where: str, num_atoms: int) -> np.ndarray:
    array = _numbers(value, key, where, num_atoms)
    if array.shape not in ((3,), (1, 3)):
        raise ValueError(
            f"{where}: expected the dipole {key!r} as one vector of 3 numbers [e·Å], got shape {array.shape}. Remove or repair "
            "the structure, or choose another key."
        )
    return array.reshape(3)


def _stress(value: object, key: str, where: str, num_atoms: int) -> np.ndarray:
    return _symmetric(value, key, where, "stress", "eV/Å³", num_atoms)


def _virial(value: object, key: str, where: str, num_atoms: int) -> np.ndarray:
    return _symmetric(value, key, where, "virial", "eV", num_atoms)


def _symmetric(value: object, key: str, where: str, name: str, unit: str, num_atoms: int) -> np.ndarray:
    array = _numbers(value, key, where, num_atoms)
    if array.shape == (6,):  # Voigt order xx, yy, zz, yz, xz, xy
        array = array[[0, 5, 4, 5, 1, 3, 4, 3, 2]]
    if array.shape not in ((9,), (3, 3)):
        raise ValueError(
            f"{where}: expected the {name} {key!r} as 3x3, 9 or 6 (xx, yy, zz, yz, xz, xy) numbers [{unit}], got shape "
            f"{array.shape}. Remove or repair the structure, or choose another key."
        )
    matrix = array.reshape(3, 3)
    if np.abs(matrix - matrix.T).max() > 1e-6 + 1e-4 * np.abs(matrix).max():
        raise ValueError(
            f"{where}: expected a symmetric {name} {key!r}, got {matrix.tolist()}. Remove or repair the structure, or "
            "choose another key."
        )
    return (matrix + matrix.T) / 2


_PARSERS: dict[str, Callable] = {
    "energy": _energy,
    "forces": _forces,
    "stress": _stress,
    "virial": _virial,
    "dipole": _dipole,
}


def _numbers(value: object, key: str, where: str, num_atoms: int) -> np.ndarray:
    try:
        array = np.array(value)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    if array.dtype.kind not in "iuf":
        raise ValueError(
            f"{where}: expected numbers for {key!r}, got {value!r:.80}. Repair the structure or choose another key."
        )
    if array.size and np.abs(array[np.isfinite(array)]).max(initial=0) > _LARGEST * num_atoms:
        raise ValueError(
            f"{where}: expected numbers of at most {_LARGEST:g} per atom in eV and Å for {key!r}, got {np.abs(array).max():g}. Look at "
            "the units, and remove or repair the structure."
        )
    num_bad = np.count_nonzero(~np.isfinite(array))
    if num_bad:
        raise ValueError(
            f"{where}: expected finite numbers for {key!r}, got {num_bad} NaN or infinite of {array.size}. Remove the "
            "structure or repeat its calculation."
        )
    return array.astype(np.float64)
