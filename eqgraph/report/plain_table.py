"""A table for the terminal and for a page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Table

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
            f"<tr data-row='{html.escape(row[0])}'>"
            + "".join(f"<td>{html.escape(value)}</td>" for value in row)
            + "</tr>"
            for row in self.rows
        )
        title = f"<h3>{html.escape(self.title)}</h3>" if self.title else ""
        return f"{title}<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
