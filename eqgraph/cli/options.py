"""Options that several commands have, and how help is laid out."""

from __future__ import annotations

import argparse
from pathlib import Path

LABELS = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³", "virial": "eV", "dipole": "e·Å"}
"""Labels of structures and their units."""


class Help(argparse.RawDescriptionHelpFormatter):
    """Examples keep their lines; descriptions are wrapped all the same."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "example" in text.partition("\n")[0]:
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def add_label_keys(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """--energy-key and so on; default: what is said of those that are not given, None: the label's own name."""
    for name, unit in LABELS.items():
        said = f"default {name}" if default is None else default
        parser.add_argument(
            f"--{name}-key",
            default=name if default is None else None,
            metavar="KEY",
            help=f"name of the {name} label, {unit} ({said})",
        )


def add_committee(parser: argparse.ArgumentParser) -> None:
    """--committee."""
    parser.add_argument(
        "--committee",
        type=Path,
        nargs="+",
        default=[],
        metavar="PATH",
        help="further models, or the directory of a run with several seeds: predictions are means, uncertainties standard deviations",
    )


def label_keys(arguments: argparse.Namespace) -> dict[str, str | None]:
    """Label -> the key that was given."""
    return {name: getattr(arguments, f"{name}_key") for name in LABELS}


def not_negative(text: str) -> int:
    """A whole number, 0 or above."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or above, came {text}")
    return number


def positive(text: str) -> int:
    """A whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, came {text}")
    return number


def positive_number(text: str) -> float:
    """A number above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, came {text}")
    return number
