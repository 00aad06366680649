"""What a model file says of itself to those who get it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from .config import Section

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class CardConfig(Section):
    """What a model file says of itself to those who get it, see `eqgraph info`.

    Example:
        >>> CardConfig(licence="CC-BY-4.0", author="A. Person").licence
        'CC-BY-4.0'
    """

    licence: _Text | None = Field(
        None, description="licence of the model, such as CC-BY-4.0 (see spdx.org/licenses), or null"
    )
    author: _Text | None = Field(None, description="who trained it, or null")
    description: _Text | None = Field(
        None, description="what it is for, how its labels were computed (functional, basis set), or null"
    )
