"""What the benchmarks have in common: the machine, tables, JSON, quartiles and targets. Imports nothing heavy."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

PACKAGES = ("eqgraph", "torch", "numpy", "torch_geometric", "llvmlite", "e3nn")

console = Console(highlight=False)
if not console.is_terminal:
    console = Console(highlight=False, width=160)  # in a file, tables need not be folded


class Target(NamedTuple):
    """A number that has to be reached."""

    name: str
    measured: float | None
    """None if this run does not measure it: neither reached nor missed."""
    bound: float
    unit: str = "times"
    at_least: bool = True
    """Whether measured has to be at least the bound, or at most."""

    @property
    def missed(self) -> bool:
        if self.measured is None:
            return False
        return not (self.measured >= self.bound if self.at_least else self.measured <= self.bound)


class Quartiles(NamedTuple):
    """Median and the quarters below and above it."""

    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Quartiles:
        """Quartiles of at least one value.

        Example:
            >>> Quartiles.of([1.0, 2.0, 3.0, 4.0, 5.0])
            Quartiles(median=3.0, lower=2.0, upper=4.0)
        """
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, lower, upper)


def arguments(description: str, output: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes and few repetitions: does it run at all")
    parser.add_argument("--check", action="store_true", help="exit with status 1 if a target is missed")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of each program (default: 2)")
    parser.add_argument(
        "--json", type=Path, default=Path(output), help=f"where to write all numbers (default: {output})"
    )
    return parser


def machine() -> dict[str, Any]:
    """Processor, cores, load and versions, for the head of a report."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def print_machine(described: dict[str, Any], **settings: Any) -> None:
    """One table: where, with what, and how the numbers below came about."""
    table = Table(title="Machine", title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    load = "" if described["load"] is None else f", load {described['load']:.2f} at the start"
    table.add_row("processor", f"{described['processor']}, {described['cores']} cores{load}")
    table.add_row("system", f"{described['system']}, Python {described['python']}")
    table.add_row("versions", ", ".join(f"{name} {number}" for name, number in described["versions"].items()))
    for name, value in settings.items():
        table.add_row(name.replace("_", " "), str(value))
    console.print(table)
    if described["load"] is not None and described["load"] > 0.5:
        console.print(
            f"[yellow]Expected an idle machine, came a load of {described['load']:.2f}: times with several threads can be ten times "
            "too long then. Stop what else is running."
        )


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: the first column to the left, the others to the right."""
    built = Table(title=title, title_justify="left")
    for index, name in enumerate(columns):
        built.add_column(name, justify="left" if index == 0 else "right")
    for row in rows:
        built.add_row(*row)
    console.print(built)


def finish(
    path: Path, described: dict[str, Any], results: dict[str, Any], targets: Sequence[Target], check: bool
) -> int:
    """Write the JSON file, print the targets, and say with which status to exit."""
    content = {
        "machine": described,
        **results,
        "targets": [target._asdict() | {"missed": target.missed} for target in targets],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    rows = []
    for target in targets:
        measured = "not measured" if target.measured is None else f"{target.measured:.3g} {target.unit}"
        wanted = f"{'at least' if target.at_least else 'at most'} {target.bound:g} {target.unit}"
        verdict = "" if target.measured is None else "[red]missed" if target.missed else "[green]reached"
        rows.append((target.name, measured, wanted, verdict))
    table("Targets", ("target", "measured", "wanted", ""), rows)
    console.print(f"Numbers: {path}", soft_wrap=True)
    missed = [target.name for target in targets if target.missed]
    if check and missed:
        console.print(f"Missed: {'; '.join(missed)}")
    return int(check and bool(missed))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
