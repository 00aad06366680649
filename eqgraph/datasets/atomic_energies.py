"""E0: the energy of each element that a model starts from."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols

from .frame import Frame

_SAME_ENERGY = 1e-4
"""Two calculations [eV] of the same isolated atom."""


class AtomicEnergies(NamedTuple):
    """E0s and where they come from."""

    shifts: dict[int, float]
    """Atomic number -> E0 [eV]."""
    description: str
    """How they were found, for people."""


def atomic_energies(
    frames: Sequence[Frame],
    method: str | Mapping[str, float] = "auto",
    isolated_atoms: Sequence[Frame] = (),
) -> AtomicEnergies:
    """The energy E0 of each element in the frames.

    Args:
        frames: structures with energies, isolated atoms (see Frame.is_isolated_atom) among them or not.
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
    structures = [frame for frame in frames if not frame.is_isolated_atom]
    atoms = [frame for frame in (*frames, *isolated_atoms) if frame.is_isolated_atom]
    elements = _elements(structures or atoms)
    if isinstance(method, Mapping):
        return _given(method, sorted({*elements, *_elements(atoms)}), structures)
    if method not in (ways := {"isolated": _isolated, "least_squares": _least_squares, "mean": _mean, "auto": _auto}):
        raise ValueError(
            f"atomic_energies: expected a mapping or one of {', '.join(ways)}, got {method!r}. Choose one of these."
        )
    return ways[method](structures, atoms, elements)


def _given(energies: Mapping[str, float], elements: list[int], structures: list[Frame]) -> AtomicEnergies:
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


def _auto(structures: list[Frame], atoms: list[Frame], elements: list[int]) -> AtomicEnergies:
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


def _isolated(structures: list[Frame], atoms: list[Frame], elements: list[int]) -> AtomicEnergies:
    found: dict[int, Frame] = {}
    for frame in atoms:
        if frame.energy is None:
            continue
        number = int(frame.atoms.numbers[0])
        first = found.setdefault(number, frame)
        if abs(first.energy - frame.energy) > _SAME_ENERGY:
            raise ValueError(
                f"atomic_energies: expected one energy of an isolated {chemical_symbols[number]} atom, got "
                f"{first.energy} eV in frame {first.index} and {frame.energy} eV in frame {frame.index}. Keep the one "
                "that the other structures were computed with, or give the energies yourself."
            )
    if missing := [chemical_symbols[number] for number in elements if number not in found]:
        reason = f"no isolated atom of {', '.join(missing)}"
        raise _NotDeterminedError(
            reason,
            "atomic_energies: expected an isolated atom (one atom, no image near it) with an energy for every element, "
            f"got {reason}. Add them, give the energies yourself, or choose 'least_squares' or 'mean'.",
        )
    shifts = {number: found[number].energy for number in sorted(found)}
    num_found = sum(frame.energy is not None for frame in atoms)
    named = f"{num_found} isolated atom{'s' if num_found > 1 else ''}"
    return AtomicEnergies(shifts, f"energies of {named}{_relative(structures, shifts)}")


def _least_squares(structures: list[Frame], atoms: list[Frame], elements: list[int]) -> AtomicEnergies:
    labelled = _labelled(structures)
    numbers = np.array(elements)
    counts = np.array([(frame.atoms.numbers[:, None] == numbers).sum(0) for frame in labelled], dtype=np.float64)
    size = counts.sum(1)
    composition, per_atom = counts / size[:, None], np.array([frame.energy for frame in labelled]) / size
    _, singular, rows = np.linalg.svd(np.unique(composition, axis=0))
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
    rms = _rms(composition @ shifts - per_atom)
    description = (
        f"least squares over the compositions of {len(labelled)} structures (rms of the residual {rms:.4f} eV/atom)"
    )
    return AtomicEnergies(dict(zip(elements, shifts.tolist(), strict=True)), description)


def _mean(structures: list[Frame], atoms: list[Frame], elements: list[int]) -> AtomicEnergies:
    labelled = _labelled(structures)
    per_atom = np.array([frame.energy / len(frame.atoms) for frame in labelled])
    shift = float(per_atom.mean())
    description = (
        f"one shift for all elements: the mean energy per atom of {len(labelled)} structures (rms of the residual "
        f"{_rms(per_atom - shift):.4f} eV/atom)"
    )
    return AtomicEnergies(dict.fromkeys(elements, shift), description)


def _relative(structures: list[Frame], shifts: dict[int, float]) -> str:
    """Tells energies of another method, or labels that are not total energies: they are not a few eV per atom away."""
    energies = [
        (frame.energy - sum(shifts[number] for number in frame.atoms.numbers.tolist())) / len(frame.atoms)
        for frame in structures
        if frame.energy is not None
    ]
    return f" (with them, structures have {np.mean(energies):.3f} eV/atom on average)" if energies else ""


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


def _labelled(structures: list[Frame]) -> list[Frame]:
    labelled = [frame for frame in structures if frame.energy is not None]
    if not labelled:
        raise ValueError(
            f"atomic_energies: expected structures of more than one atom with energies, got {len(structures)} of which "
            "none has one. Check energy_key, or give the energies yourself."
        )
    return labelled


def _elements(frames: list[Frame]) -> list[int]:
    return sorted({number for frame in frames for number in frame.atoms.numbers.tolist()})
