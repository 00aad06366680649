"""Which elements are in which file, and which of them one does not train on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ase.data import chemical_symbols

from .data_file import CheckedData, DataFile
from .finding import Finding

CHECK = "elements"


def check_elements(data: CheckedData) -> Iterator[Finding]:
    """Count the atoms of each element; compare later files with the first."""
    known: set[int] = set()
    for position, file in enumerate(data.files):
        counts = _counts(file)
        if not counts:
            continue
        text = ", ".join(f"{chemical_symbols[number]} {counts[number]}" for number in sorted(counts))
        numbers = {chemical_symbols[number]: counts[number] for number in sorted(counts)}
        unknown = {number for frame in file.molecules for number in frame.atoms.numbers.tolist()} - known
        if position == 0 or not known:
            known = set(counts)
            yield Finding("info", CHECK, f"Atoms of each element: {text}.", file.name, numbers=numbers)
        elif unknown:
            names = ", ".join(chemical_symbols[number] for number in sorted(unknown))
            message = (
                f"Expected only elements of '{data.files[0].name}', which one trains on, came {names}. Add structures with them to the "
                "training file, or remove these frames."
            )
            frames = tuple(frame.index for frame in file.molecules if unknown & set(frame.atoms.numbers.tolist()))
            yield Finding("error", CHECK, message, file.name, frames, numbers)
        else:
            yield Finding(
                "ok", CHECK, f"All elements are in '{data.files[0].name}': {text}.", file.name, numbers=numbers
            )


def _counts(file: DataFile) -> Counter[int]:
    counts: Counter[int] = Counter()
    for frame in file.frames:
        counts.update(frame.atoms.numbers.tolist())
    return counts
