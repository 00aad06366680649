"""One number that a test measured, and what it may be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """A measured number against its tolerance.

    Attributes:
        quantity: what was measured: "energy", "forces" ...
        value: what came.
        tolerance: the largest value that passes, or the smallest where at_least is true.
        unit: of both.
        at_least: whether the value has to be large.

    Example:
        >>> Measurement("forces", 1e-6, 1e-5, "eV/Å").passed, Measurement("forces", float("nan"), 1e-5, "eV/Å").passed
        (True, False)
    """

    quantity: str
    value: float
    tolerance: float
    unit: str
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Whether the value is within the tolerance; NaN never is."""
        return self.value >= self.tolerance if self.at_least else self.value <= self.tolerance

    @property
    def severity(self) -> float:
        """How far from passing: the measurement with the largest one decides a test. 1 is the limit."""
        above, below = (self.tolerance, self.value) if self.at_least else (self.value, self.tolerance)
        if not abs(above) < float("inf") or not below > 0:
            return 0.0 if self.passed else float("inf")
        return above / below
