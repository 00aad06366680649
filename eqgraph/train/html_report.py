"""A report in one file that any browser shows: tables, pictures, configuration."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from eqgraph.replacing import replacing

from .plain_text import plain


class PlainTable(NamedTuple):
    """A table of texts; the first column names the rows."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def rich(self) -> Table:
        """For the terminal."""
        table = Table(title=plain(self.title), title_justify="left")
        for number, name in enumerate(self.header):
            table.add_column(plain(name), justify="right" if number else "left", overflow="fold")
        for row in self.rows:
            table.add_row(*map(plain, row))
        return table

    def html(self) -> str:
        """For the report."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.header)
        body = "\n".join(
            "<tr>" + "".join(f"<td>{html.escape(value)}</td>" for value in row) + "</tr>" for row in self.rows
        )
        title = f"<h2>{html.escape(self.title)}</h2>" if self.title else ""
        return f"{title}<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }}
th:first-child, td:first-child {{ text-align: left; }}
.choices td {{ text-align: left; overflow-wrap: anywhere; }} .choices td:first-child {{ font-weight: 600; white-space: nowrap; }}
.wide {{ overflow-x: auto; }} img {{ max-width: 100%; height: auto; }} pre {{ background: #f5f5f5; padding: 1rem; overflow-x: auto; }}
</style>
</head>
<body>
<h1>{title}</h1>
{parts}
</body>
</html>
"""


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
    for caption, file in figures:
        content = base64.b64encode(Path(file).read_bytes()).decode()
        text = html.escape(caption)
        parts.append(f"<h2>{text}</h2><img alt='{text}' src='data:image/png;base64,{content}'>")
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(text)}</td></tr>" for name, text in choices.items()
    )
    parts.append(f"<h2>Training</h2><table class='choices'>{rows}</table>")
    parts.append(f"<h2>Configuration</h2><pre>{html.escape(config)}</pre>")
    with replacing(path) as temporary:
        temporary.write_text(
            _PAGE.format(title=html.escape(title), parts="\n".join(parts)), encoding="utf-8", errors="backslashreplace"
        )
