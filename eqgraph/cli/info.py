"""`eqgraph info`"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from .console import make_console
from .options import Help

_EXAMPLES = """\
examples:
  eqgraph info runs/first/model.eqg
  eqgraph info runs/first/model.eqg --json
"""
_HEADINGS = {"mae": "MAE", "rmse": "RMSE", "count": "labels"}


def add_info(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Its options."""
    info = commands.add_parser(
        "info",
        parents=[common],
        help="what a model file is: its card",
        description=_info.__doc__,
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    info.add_argument("model", type=Path, help="model file that `eqgraph train` wrote (*.eqg)")
    info.add_argument("--json", action="store_true", help="print it as JSON, with all digits")
    info.set_defaults(run=_info)


def _info(arguments: argparse.Namespace) -> int:
    """Print what a model file says of itself: architecture, elements, cutoff, units, errors, licence, versions."""
    from eqgraph.model_file import card_texts, model_card

    card = model_card(arguments.model, "info")
    if arguments.json:
        print(json.dumps(dataclasses.asdict(card), indent=2, ensure_ascii=False))
        return 0
    from rich.table import Table

    from eqgraph.report import plain

    console = make_console()
    table = Table(title=plain(arguments.model.name), title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in card_texts(card).items():
        table.add_row(name, plain(value))
    console.print(table)
    if card.errors:
        console.print(_error_table(card.errors))
    return 0


def _error_table(errors: dict[str, list[dict[str, Any]]]) -> Any:
    """The columns are those that the rows have."""
    from rich.table import Table

    from eqgraph.model_file import text_of
    from eqgraph.report import plain

    names = list(dict.fromkeys(name for rows in errors.values() for row in rows for name in row))
    table = Table(title="Errors" if "rmse" in names else "Scores", title_justify="left")
    table.add_column("set", no_wrap=True)
    for name in names:
        number = any(isinstance(row.get(name), int | float) for rows in errors.values() for row in rows)
        table.add_column(plain(_HEADINGS.get(name, name)), justify="right" if number else "left", no_wrap=True)
    for name, rows in errors.items():
        for index, row in enumerate(rows):
            table.add_row(plain(name if index == 0 else ""), *(plain(text_of(row.get(key))) for key in names))
        table.add_section()
    return table
