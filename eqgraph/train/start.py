"""How a training is started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def nothing() -> None:
    """What a training without others does before it writes anything."""


@dataclass(frozen=True)
class Start:
    """Anew, or from where it stopped."""

    root: Path  # what to resume after an accident: the directory of the run, or of all seeds
    resume: bool = False
    allow_changes: bool = False
    before: Callable[[], None] = nothing  # called before anything is written
