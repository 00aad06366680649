"""Are stresses of a size that eV/Å³ have?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase.units import GPa

from .data_file import CheckedData
from .finding import Finding

CHECK = "size of the stress"
_LARGE = 1.0
"""Median of the largest component [eV/Å³]: 160 GPa, half of what is in the core of the earth."""


def check_stress_unit(data: CheckedData) -> Iterator[Finding]:
    """Compare the size of the stress with pressures that one computes, file by file."""
    for file in data.files:
        largest = [float(np.abs(frame.stress).max()) for frame in file.molecules if frame.stress is not None]
        if not largest:
            continue
        median = float(np.median(largest))
        numbers = {"median_of_largest_component": median}
        if median > _LARGE:
            message = (
                f"Expected stresses below {_LARGE:g} eV/Å³ (160 GPa), "
                f"came {median:.4g} (median of the largest components). Look whether "
                "they are in GPa (divide by 160.2) or kbar (divide by 1602.2), or virials (divide by the volume)."
            )
            yield Finding("warning", CHECK, message, file.name, numbers=numbers)
        else:
            text = f"Stresses are some {median / GPa:.3g} GPa (median of the largest components)."
            yield Finding("ok", CHECK, text, file.name, numbers=numbers)
