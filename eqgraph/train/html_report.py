"""A report of a training in one file that any browser shows: tables, pictures, configuration."""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path

from eqgraph.report import PlainTable, picture, write_page


def write_report(
    path: str | Path,
    title: str,
    choices: dict[str, str],
    tables: Iterable[PlainTable],
    figures: Iterable[tuple[str, Path]],
    config: str,
) -> None:
    """Write a report; pictures are inside of the file, which appears complete or not at all.

    Args:
        path: of the HTML file.
        title: its heading.
        choices: what was trained on what, see `choices_table`.
        tables: the results.
        figures: caption and PNG file.
        config: text of the configuration.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "report.html"
        >>> write_report(file, "A run", {"seed": "0"}, [PlainTable("Accuracy", ("set", "%"), [("test", "97.00")])], [], "seed: 0")
        >>> "<td>97.00</td>" in file.read_text()
        True
    """
    parts = [table.html() for table in tables]
    parts += [picture(caption, Path(file).read_bytes()) for caption, file in figures]
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(text)}</td></tr>" for name, text in choices.items()
    )
    parts.append(f"<h2>Training</h2><table class='choices'>{rows}</table>")
    parts.append(f"<h2>Configuration</h2><pre>{html.escape(config)}</pre>")
    write_page(path, title, parts)
