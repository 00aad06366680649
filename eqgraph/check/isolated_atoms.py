"""Frames with one atom: isolated atoms, whose energies are E0s, and crystals with one atom per cell."""

from __future__ import annotations

from collections.abc import Iterator

from ase.data import chemical_symbols

from .data_file import CheckedData
from .finding import Finding

CHECK = "isolated atoms"


def check_isolated_atoms(data: CheckedData) -> Iterator[Finding]:
    """List frames with one atom, and whether they count as isolated."""
    for file in data.files:
        single = [frame for frame in file.frames if len(frame.atoms) == 1]
        isolated = [frame for frame in single if frame.is_isolated_atom]
        crystals = [frame for frame in single if not frame.is_isolated_atom]
        if isolated:
            texts = [
                f"{frame.atoms.symbols[0]} {'without energy' if frame.energy is None else f'{frame.energy:.6g} eV'}"
                for frame in isolated
            ]
            shown = ", ".join(texts[:10]) + (f" and {len(texts) - 10} more" if len(texts) > 10 else "")
            message = f"{len(isolated)} isolated atoms, used for E0s and not trained on: {shown}."
            numbers = {str(f.atoms.symbols[0]): f.energy for f in isolated}
            yield Finding("info", CHECK, message, file.name, tuple(frame.index for frame in isolated), numbers)
        if crystals:
            names = sorted({chemical_symbols[int(frame.atoms.numbers[0])] for frame in crystals})
            message = (
                f"{len(crystals)} frames have one atom ({', '.join(names)}) with a periodic image within 8 Å: they are crystals, and "
                "trained on. Set config_type=isolated_atom if they are meant as isolated atoms."
            )
            yield Finding("info", CHECK, message, file.name, tuple(frame.index for frame in crystals))
