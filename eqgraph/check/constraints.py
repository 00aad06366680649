"""Constraints, which make ASE report other forces than those that were computed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .data_file import CheckedData
from .finding import Finding

CHECK = "constraints"
_ZERO_IN = 0.2
"""Fraction of the frames with forces that are exactly zero for some atoms, from which on it is no symmetry."""


def check_constraints(data: CheckedData) -> Iterator[Finding]:
    """Look for constraints, and for atoms whose forces get_forces() would have set to zero."""
    for file in data.files:
        constrained = [frame for frame in file.frames if frame.atoms.constraints]
        zeroed = [frame for frame in file.molecules if frame.forces is not None and _some_are_zero(frame.forces)]
        labelled = sum(frame.forces is not None for frame in file.molecules)
        if zeroed and len(zeroed) >= _ZERO_IN * labelled:
            message = (
                "Expected forces of all atoms, "
                f"came {len(zeroed)} of {labelled} frames in which forces of some atoms are zero "
                "and the others do not add up to zero: get_forces() zeroes those of fixed atoms. Write "
                "get_forces(apply_constraint=False)."
            )
            yield Finding("warning", CHECK, message, file.name, tuple(frame.index for frame in zeroed))
        if constrained:
            kinds = sorted(
                {type(constraint).__name__ for frame in constrained for constraint in frame.atoms.constraints}
            )
            message = (
                f"{len(constrained)} frames have constraints ({', '.join(kinds)}). Labels are read as they are in the file; "
                "atoms.get_forces() of ASE would zero forces of fixed atoms."
            )
            yield Finding("info", CHECK, message, file.name, tuple(frame.index for frame in constrained))
        elif not zeroed:
            yield Finding("ok", CHECK, "No constraints, and no forces that look zeroed by them.", file.name)


def _some_are_zero(forces: np.ndarray) -> bool:
    zero = ~forces.any(1)
    if not zero.any() or zero.all():
        return False
    return float(np.abs(forces.sum(0)).max()) > 0.05 * float(np.abs(forces).max())
