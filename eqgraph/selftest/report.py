"""Results of all structures together, for programs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from .result import SelftestResult


@dataclass(frozen=True)
class StructureResults:
    """Results on one structure.

    Attributes:
        name: what people call it.
        formula: its chemical formula.
        made: whether the program made it.
        results: one per test.
    """

    name: str
    formula: str
    made: bool
    results: list[SelftestResult]


@dataclass(frozen=True)
class SelftestReport:
    """What a self-test found.

    Attributes:
        model: name of the model.
        dtype: floating-point type in which it computes.
        structures: results on each structure.

    Example:
        >>> SelftestReport("model.eqg", "float32", []).exit_code
        0
    """

    model: str
    dtype: str
    structures: list[StructureResults]

    @property
    def failed(self) -> list[SelftestResult]:
        """Tests that failed."""
        return [result for each in self.structures for result in each.results if result.verdict == "fail"]

    @property
    def exit_code(self) -> int:
        """1 if a test failed, else 0."""
        return int(bool(self.failed))

    def json(self) -> str:
        """All of it; numbers that are not finite are null."""
        content = {"model": self.model, "dtype": self.dtype, "exit_code": self.exit_code, "structures": []}
        for each in self.structures:
            tests = [
                {"test": result.test, "verdict": result.verdict, "note": result.note}
                | {"measurements": [asdict(one) | {"passed": one.passed} for one in result.measurements]}
                for result in each.results
            ]
            content["structures"].append(
                {"name": each.name, "formula": each.formula, "made": each.made, "tests": tests}
            )
        return json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
