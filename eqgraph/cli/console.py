"""Where commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqgraph.launch import launched

if TYPE_CHECKING:
    from rich.console import Console


def make_console() -> Console:
    """Standard output; of several processes the first one speaks."""
    from rich.console import Console

    console = Console(quiet=not launched().is_first)
    if not console.is_terminal:
        console.width = 120  # a log file has no width: tables need not wrap at 80
    return console
