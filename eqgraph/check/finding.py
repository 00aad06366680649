"""What a check found, and all findings together."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["ok", "info", "warning", "error"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info", "ok")
"""Worst first."""

_MAX_LISTED = 5


@dataclass(frozen=True)
class Finding:
    """One thing that a check found in the data.

    Attributes:
        severity: "error" (training on this makes no sense), "warning" (look at it), "info" or "ok".
        check: name of the check.
        message: what was expected, what came, what to do.
        file: where it is; "" for all files together.
        frames: in which frames, counted from 0.
        numbers: what was measured; the names say the units.

    Example:
        >>> Finding("warning", "net force", "...", "a.xyz", (3, 7)).where
        'a.xyz, frames 3, 7'
    """

    severity: Severity
    check: str
    message: str
    file: str = ""
    frames: tuple[int, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """File and frames, for people."""
        if not self.frames:
            return self.file
        return f"{self.file}, frame{'s' if len(self.frames) > 1 else ''} {listed(self.frames)}"


@dataclass(frozen=True)
class CheckReport:
    """All findings, worst first.

    Example:
        >>> report = CheckReport([Finding("ok", "labels", "fine"), Finding("error", "labels", "bad")])
        >>> [finding.severity for finding in report.findings], report.exit_code
        (['error', 'ok'], 1)
    """

    findings: list[Finding]

    def __init__(self, findings: Iterable[Finding]) -> None:
        ordered = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
        object.__setattr__(self, "findings", ordered)

    def of(self, severity: Severity, check: str | None = None) -> list[Finding]:
        """Findings of one severity, of one check or of all."""
        return [f for f in self.findings if f.severity == severity and check in (None, f.check)]

    @property
    def exit_code(self) -> int:
        """1 if there are errors, else 0."""
        return int(bool(self.of("error")))

    @property
    def summary(self) -> str:
        """How many findings there are of each severity."""
        counts = [(len(self.of(severity)), severity) for severity in ("error", "warning", "info")]
        texts = [f"{count} {name}{'s' if count != 1 and name != 'info' else ''}" for count, name in counts]
        return ", ".join(texts)

    def json(self) -> str:
        """All of it, for programs; numbers that are not finite are null."""
        content = {"exit_code": self.exit_code, "findings": [asdict(finding) for finding in self.findings]}
        return json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def listed(things: Iterable[Any], most: int = _MAX_LISTED) -> str:
    """The first few things, and how many more there are.

    Example:
        >>> listed(range(8))
        '0, 1, 2, 3, 4 and 3 more'
    """
    things = list(things)
    text = ", ".join(str(thing) for thing in things[:most])
    return f"{text} and {len(things) - most} more" if len(things) > most else text
