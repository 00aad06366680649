"""A part of a page with a heading, to which its table of contents leads."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import NamedTuple


class Section(NamedTuple):
    """Parts of a page under one heading.

    Attributes:
        title: plain text.
        parts: HTML, in which all that came from data is escaped.
    """

    title: str
    parts: Sequence[str]

    @property
    def name(self) -> str:
        """Its anchor.

        Example:
            >>> Section("Worst frames", []).name
            'worst-frames'
        """
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    def html(self) -> str:
        """With its heading."""
        content = "\n".join(self.parts)
        return f"<section id='{self.name}'>\n<h2>{html.escape(self.title)}</h2>\n{content}\n</section>"


def paragraph(text: str, kind: str = "") -> str:
    """Plain text as HTML; kind: a class of the style sheet, "notice" stands out.

    Example:
        >>> paragraph("a < b", "notice")
        "<p class='notice'>a &lt; b</p>"
    """
    attribute = f" class='{kind}'" if kind else ""
    return f"<p{attribute}>{html.escape(text)}</p>"


def grid(parts: Sequence[str], kind: str = "grid") -> str:
    """Parts side by side where there is room; kind: "grid", or "tiles" for small ones."""
    return f"<div class='{kind}'>" + "\n".join(parts) + "</div>" if parts else ""


def named_texts(rows: dict[str, str]) -> str:
    """A table of names and texts.

    Example:
        >>> named_texts({"seed": "<0>"})
        "<table class='choices'><tr><td>seed</td><td>&lt;0&gt;</td></tr></table>"
    """
    cells = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(text)}</td></tr>" for name, text in rows.items())
    return f"<table class='choices'>{cells}</table>"
