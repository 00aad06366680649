"""How large parts of a network may be: what is larger is a slip of the finger, or a file that means harm."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):  # YAML's yes would be 1
        raise ValueError("a whole number")
    return value


Depth = Annotated[int, BeforeValidator(_no_bool), Field(gt=0, le=128)]
"""Layers."""
Width = Annotated[int, BeforeValidator(_no_bool), Field(gt=0, le=8192)]
"""Channels, hidden features, neighbors and the like."""
