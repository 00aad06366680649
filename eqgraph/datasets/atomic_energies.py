"""E0: the energy of each element that a model starts from."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols

from .frame import Frame
from .frame_table import FrameTable

_CHUNK = 20_000
"""Structures whose compositions are held at a time."""
_SAME_ENERGY = 1e-4
"""Two calculations [eV] of the same isolated atom."""


class AtomicEnergies(NamedTuple):
    """E0s and where they come from."""

    shifts: dict[int, float]
    """Atomic number -> E0 [eV]."""
    description: str
    """How they were found, for people."""


def atomic_energies(
    frames: Sequence[Frame] | FrameTable,
    method: str | Mapping[str, float] = "auto",
    isolated_atoms: Sequence[Frame] = (),
) -> AtomicEnergies:
    """The energy E0 of each element in the frames.

    Args:
        frames: structures with energies, isolated atoms (see Frame.is_isolated_atom) among them or not; or their table.
        method: how to find E0:
            {symbol: eV}: as given;
            "isolated": energies of isolated atoms;
            "least_squares": those with the least Σ_structures ((E - Σ_atoms E0) / num_atoms)², isolated atoms left out;
            "mean": the same for all elements, the mean energy per atom, isolated atoms left out;
            "auto": the first of "isolated" and "least_squares" that the frames allow, or "mean" if all structures have
                the same composition, so that one shift is as good as several.
        isolated_atoms: more structures to take isolated atoms from.

    Raises:
        ValueError: if the method is unknown or the frames do not allow it: elements without an isolated atom or missing
            in the mapping, energies that disagree for one element, compositions that do not determine all E0s.

    Example:
        >>> import ase
        >>> atomic_energies([Frame(ase.Atoms("H"), energy=-13.6)])
        AtomicEnergies(shifts={1: -13.6}, description='energies of 1 isolated atom')
    """
    table = frames if isinstance(frames, FrameTable) else FrameTable.of(frames)
    structures = table.select(~table.is_isolated)
    others = FrameTable.of(frame for frame in isolated_atoms if frame.is_isolated_atom)
    atoms = FrameTable.concatenate([table.select(table.is_isolated), others])
    elements = structures.species or atoms.species
    if isinstance(method, Mapping):
        return _given(method, sorted({*elements, *atoms.species}), structures)
    if method not in (ways := {"isolated": _isolated, "least_squares": _least_squares, "mean": _mean, "auto": _auto}):
        raise ValueError(
            f"atomic_energies: expected a mapping or one of {', '.join(ways)}, got {method!r}. Choose one of these."
        )
    return ways[method](structures, atoms, elements)


def _given(energies: Mapping[str, float], elements: list[int], structures: FrameTable) -> AtomicEnergies:
    for symbol, energy in energies.items():
        if symbol not in chemical_symbols[1:] or not np.isfinite(energy):
            raise ValueError(
                f"atomic_energies: expected chemical symbols with finite energies [eV], got {symbol!r}: {energy!r}. "
                "Correct the entry."
            )
    if missing := [chemical_symbols[number] for number in elements if chemical_symbols[number] not in energies]:
        raise ValueError(
            f"atomic_energies: expected an energy [eV] of every element in the data, got none of {', '.join(missing)}. "
            "Add them."
        )
    shifts = {number: float(energies[chemical_symbols[number]]) for number in elements}
    return AtomicEnergies(shifts, f"as given{_relative(structures, shifts)}")


def _auto(structures: FrameTable, atoms: FrameTable, elements: list[int]) -> AtomicEnergies:
    reasons = []
    for way in (_isolated, _least_squares):
        try:
            shifts, description = way(structures, atoms, elements)
        except _NotDeterminedError as error:
            if not error.others_may:
                raise
            reasons.append(error.reason)
        else:
            return AtomicEnergies(shifts, "; ".join([description, *reasons]))
    shifts, description = _mean(structures, atoms, elements)
    return AtomicEnergies(shifts, "; ".join([description, *reasons]))


class _NotDeterminedError(ValueError):
    """The frames do not determine all E0s in this way; others_may: whether "auto" may go on to the next."""

    def __init__(self, reason: str, message: str, others_may: bool = True) -> None:
        super().__init__(message)
        self.reason, self.others_may = reason, others_may


def _isolated(structures: FrameTable, atoms: FrameTable, elements: list[int]) -> AtomicEnergies:
    found: dict[int, tuple[float, int]] = {}
    known = atoms.select(atoms.rows_with("energy"))
    for number, energy, index in zip(known.number.tolist(), known.energy.tolist(), known.index.tolist(), strict=True):
        first, first_index = found.setdefault(number, (energy, index))
        if abs(first - energy) > _SAME_ENERGY:
            raise ValueError(
                f"atomic_energies: expected one energy of an isolated {chemical_symbols[number]} atom, got "
                f"{first} eV in frame {first_index} and {energy} eV in frame {index}. Keep the one "
                "that the other structures were computed with, or give the energies yourself."
            )
    if missing := [chemical_symbols[number] for number in elements if number not in found]:
        reason = f"no isolated atom of {', '.join(missing)}"
        raise _NotDeterminedError(
            reason,
            "atomic_energies: expected an isolated atom (one atom, no image near it) with an energy for every element, "
            f"got {reason}. Add them, give the energies yourself, or choose 'least_squares' or 'mean'.",
        )
    shifts = {number: found[number][0] for number in sorted(found)}
    named = f"{len(known)} isolated atom{'s' if len(known) > 1 else ''}"
    return AtomicEnergies(shifts, f"energies of {named}{_relative(structures, shifts)}")


def _least_squares(structures: FrameTable, atoms: FrameTable, elements: list[int]) -> AtomicEnergies:
    labelled = _labelled(structures)
    numbers = np.array(elements)
    composition, per_atom = _reduced(labelled, elements)
    distinct = np.unique(composition, axis=0)
    _, singular, rows = np.linalg.svd(distinct, full_matrices=len(distinct) < len(elements))  # all of rows, little of U
    rank = int((singular > 1e-9 * singular[0]).sum())
    if rank < len(elements):
        free = np.abs(rows[rank:]).max(0) > 1e-6  # the null space: changes of E0s that no energy notices
        tied = ", ".join(chemical_symbols[number] for number in numbers[free])
        reason = f"the numbers of {tied} atoms are tied in all structures"
        raise _NotDeterminedError(
            reason,
            "atomic_energies: expected compositions that determine the energy of every element, got structures in "
            f"which {reason} (rank {rank} for {len(elements)} elements). Give isolated_atoms, or the energies of the "
            "elements, or add other compositions, or ask for 'mean', one shift for all elements.",
            others_may=rank == 1,  # a single composition
        )
    shifts = np.linalg.lstsq(composition, per_atom, rcond=None)[0]
    rms = math.sqrt(np.square(composition @ shifts - per_atom).sum() / len(labelled))  # the same for R: Q turns
    description = (
        f"least squares over the compositions of {len(labelled)} structures (rms of the residual {rms:.4f} eV/atom)"
    )
    return AtomicEnergies(dict(zip(elements, shifts.tolist(), strict=True)), description)


def _mean(structures: FrameTable, atoms: FrameTable, elements: list[int]) -> AtomicEnergies:
    labelled = _labelled(structures)
    per_atom = labelled.energy / labelled.num_atoms
    shift = float(per_atom.mean())
    description = (
        f"one shift for all elements: the mean energy per atom of {len(labelled)} structures (rms of the residual "
        f"{_rms(per_atom - shift):.4f} eV/atom)"
    )
    return AtomicEnergies(dict.fromkeys(elements, shift), description)


def _reduced(labelled: FrameTable, elements: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Fractions of the elements and energies per atom whose least squares are those of all structures.

    Many structures are replaced, chunk by chunk, by the triangle R of the decomposition [A b] = Q R: as many rows as columns, with the
    same normal equations and none of the digits that these lose.

    Returns:
        (rows, elements) fractions and (rows,) energies per atom [eV].
    """
    rows = np.empty((0, len(elements) + 1))
    for start in range(0, len(labelled), _CHUNK):
        chunk = labelled.select(np.arange(start, min(start + _CHUNK, len(labelled))))
        size = chunk.num_atoms
        fractions = chunk.counts(elements).astype(np.float64) / size[:, None]
        new = np.concatenate([fractions, (chunk.energy / size)[:, None]], axis=1)
        rows = new if not start else np.linalg.qr(np.concatenate([rows, new]), mode="r")
    return rows[:, :-1], rows[:, -1]


def _relative(structures: FrameTable, shifts: dict[int, float]) -> str:
    """Tells energies of another method, or labels that are not total energies: they are not a few eV per atom away."""
    labelled = structures.select(structures.rows_with("energy"))
    energies = binding_energies(labelled, shifts)
    return f" (with them, structures have {energies.mean():.3f} eV/atom on average)" if len(energies) else ""


def binding_energies(table: FrameTable, shifts: Mapping[int, float]) -> np.ndarray:
    """(frames,) energies less those of the atoms, in eV/atom; NaN where there is no energy."""
    energies = table.energy.copy()
    for number, shift in shifts.items():
        energies -= table.counts([number])[:, 0] * shift
    return energies / table.num_atoms


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


def _labelled(structures: FrameTable) -> FrameTable:
    labelled = structures.select(structures.rows_with("energy"))
    if not len(labelled):
        raise ValueError(
            f"atomic_energies: expected structures of more than one atom with energies, got {len(structures)} of which "
            "none has one. Check energy_key, or give the energies yourself."
        )
    return labelled
