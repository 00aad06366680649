"""The formats that model files have had, and what turns an older one into the present one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import eqgraph

NUMBERS = {"eqgraph-potential": 1, "eqgraph-points": 1}
"""Kind of model -> number of its format. It grows when older versions could not read, or would misread, what is written."""


class Upgrade(NamedTuple):
    """From one format to the next one of the same kind; neither function changes what it is given."""

    header: Callable[[dict[str, Any]], dict[str, Any]]
    tensors: Callable[[dict[str, Any]], dict[str, Any]]
    """Name -> tensor."""


UPGRADES: dict[tuple[str, int], Upgrade] = {}
"""(kind, number) -> what makes the format with the next number of it. Each arrives with a file in tests/models/files."""


def format_name(kind: str) -> str:
    """What the header of a new file says.

    Example:
        >>> format_name("eqgraph-points")
        'eqgraph-points-1'
    """
    return f"{kind}-{NUMBERS[kind]}"


def upgraded(header: dict[str, Any], place: str) -> dict[str, Any]:
    """A header as this version writes it; `format` stays what the file says, for the tensors are still of that format.

    Args:
        header: as it was read.
        place: "who: where", for messages.

    Raises:
        ValueError: if the kind of model is unknown, or its format is newer than this version.

    Example:
        >>> upgraded({"format": "eqgraph-potential-7", "eqgraph_version": "2.0"}, "load_potential: 'model.eqg'")
        Traceback (most recent call last):
        ...
        ValueError: load_potential: 'model.eqg': expected a format that eqgraph ... reads (eqgraph-potential-1 or older), got
        eqgraph-potential-7, which eqgraph 2.0 wrote: it does not fit. Use eqgraph 2.0 or newer.
    """
    kind, number = _kind_and_number(header, place)
    for step in range(number, NUMBERS[kind]):
        header = UPGRADES[kind, step].header(header)
    return header


def upgrade_tensors(tensors: dict[str, Any], header: dict[str, Any], place: str) -> dict[str, Any]:
    """The tensors of a file whose header says which format they are of, as this version writes them."""
    kind, number = _kind_and_number(header, place)
    for step in range(number, NUMBERS[kind]):
        tensors = UPGRADES[kind, step].tensors(tensors)
    return tensors


def _kind_and_number(header: dict[str, Any], place: str) -> tuple[str, int]:
    kind, _, number = header["format"].rpartition("-")
    if kind not in NUMBERS or not number.isdecimal():
        raise ValueError(
            f"{place}: expected a model of a kind that eqgraph {eqgraph.__version__} reads ({', '.join(NUMBERS)}), got "
            f"{header['format']!r}: it does not fit. Use the version that wrote it."
        )
    if not 1 <= int(number) <= NUMBERS[kind]:
        writer = header.get("eqgraph_version") or "(a version that it does not name)"
        raise ValueError(
            f"{place}: expected a format that eqgraph {eqgraph.__version__} reads ({format_name(kind)} or older), got "
            f"{header['format']}, which eqgraph {writer} wrote: it does not fit. Use eqgraph {writer} or newer."
        )
    return kind, int(number)
