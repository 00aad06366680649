"""How much structures and elements count, as the section `loss` says."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from ase.data import chemical_symbols


def require_config_types(found: Iterable[str], config_types: Mapping[str, float]) -> None:
    """Refuse weights of config_types that no training structure has.

    Raises:
        ValueError: names the first such config_type and those that there are.
    """
    known = sorted(found)
    for name in config_types:
        if name not in known:
            raise ValueError(
                f"loss.config_types: expected config_types of the training structures ({', '.join(known) or 'they have none'}), came "
                f"{name!r}. {_suggestion(name, known)}"
            )


def require_elements(species: Sequence[int], elements: Mapping[str, float]) -> None:
    """Refuse weights of elements that no training structure has.

    Raises:
        ValueError: names the first such element and those that there are.
    """
    known = [chemical_symbols[number] for number in species]
    for symbol in elements:
        if symbol not in known:
            raise ValueError(
                f"loss.forces.elements: expected elements of the training structures ({', '.join(known)}), came {symbol!r}. Remove it."
            )


def _suggestion(name: str, known: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {nearest[0]!r}?" if nearest else "Remove it."
