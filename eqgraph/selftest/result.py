"""What one test found."""

from dataclasses import dataclass
from typing import Literal

from .measurement import Measurement

Verdict = Literal["pass", "fail", "not applicable"]


@dataclass(frozen=True)
class SelftestResult:
    """A test, what it measured, and whether the potential passed.

    Attributes:
        test: its name.
        measurements: what was measured; none where the test makes no sense.
        note: what a reader should know: why a test was not done, with what it was done.

    Example:
        >>> result = SelftestResult("rotation", (Measurement("energy", 1e-7, 1e-5, "eV/atom"), Measurement("forces", 1, 1e-5, "eV/Å")))
        >>> result.verdict, result.worst.quantity
        ('fail', 'forces')
    """

    test: str
    measurements: tuple[Measurement, ...] = ()
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """ "fail" if one measurement is outside its tolerance, "not applicable" if there is none."""
        if not self.measurements:
            return "not applicable"
        return "pass" if all(measurement.passed for measurement in self.measurements) else "fail"

    @property
    def worst(self) -> Measurement | None:
        """The measurement that is nearest to its tolerance, or furthest beyond it."""
        return max(self.measurements, key=lambda measurement: measurement.severity, default=None)
