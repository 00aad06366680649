"""The table at the start."""

from __future__ import annotations

from rich.table import Table

from eqgraph.report import plain


def choices_table(choices: dict[str, str]) -> Table:
    """What a training is about to do: nothing is chosen silently."""
    table = Table(title="Training", title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in choices.items():
        table.add_row(name, plain(value))
    return table
