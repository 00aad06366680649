"""A structure and its mirror image have the same energy."""

import numpy as np

from .result import SelftestResult
from .rotation import turn
from .subject import Subject


def measure_inversion(subject: Subject) -> SelftestResult:
    """x → -x: forces change their sign, energy and stress nothing."""
    return SelftestResult("inversion", tuple(turn(subject, -np.eye(3))))
