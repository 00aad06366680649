"""Derivatives from energies alone, exact to the fourth order."""

from collections.abc import Callable

import ase
import numpy as np

from .subject import Subject

_STENCIL = ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0))
"""f'(0) = Σ weight f(n h) / 12 h."""

RELATIVE = 1e-6
"""Tolerance of derivatives in float64, relative to Scales.

With steps h of 1e-3 (Å, or strain) the fourth order leaves h⁴ f⁽⁵⁾ / 30, 1e-9 and less of what bonds have, and rounding of energies
E / h times 1e-15, 1e-11: three orders of magnitude for structures in which atoms are close.
"""


def derivatives(subject: Subject, structures: list[Callable[[float], ase.Atoms]], step: float) -> np.ndarray:
    """dE/dx at x = 0 of the float64 energy [eV], for each function from x to a structure."""
    atoms = (structure(count * step) for structure in structures for count, _ in _STENCIL)
    energies = np.array([subject.predict(each, exact=True).energy for each in atoms])
    weights = np.array([weight for _, weight in _STENCIL])
    return len(subject.atoms) * energies.reshape(-1, len(_STENCIL)) @ weights / (12 * step)
