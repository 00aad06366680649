"""Names that came from data, in terminals and in pictures: shown as they are, never obeyed."""

from __future__ import annotations

from rich.text import Text

_LONGEST_LABEL = 40


def printable(name: str) -> str:
    """A name without characters that move the cursor, start a new line or are no characters at all.

    Example:
        >>> printable("red\\x1b[31m\\ncube")
        'red�[31m�cube'
    """
    return "".join(letter if letter.isprintable() else "�" for letter in name)


def plain(name: str) -> Text:
    """For rich, which would take [red] and [/] in a name for its own marks.

    Example:
        >>> plain("[/]").plain
        '[/]'
    """
    return Text(printable(name))


def label(name: str) -> str:
    """For matplotlib, which would take what is between two $ for a formula; long names are cut.

    Example:
        >>> label("a$b")
        'a\\\\$b'
    """
    text = printable(name)
    if len(text) > _LONGEST_LABEL:
        text = text[: _LONGEST_LABEL - 1] + "…"
    return text.replace("$", r"\$")
