"""`eqgraph info`"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import make_console
from .options import Help

if TYPE_CHECKING:
    from eqgraph.model_file import ModelCard

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
    from eqgraph.model_file import model_card

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
    for name, value in _rows(card):
        if value:
            table.add_row(name, plain(value))
    console.print(table)
    if card.errors:
        console.print(_error_table(card.errors))
    return 0


def _rows(card: ModelCard) -> list[tuple[str, str]]:
    """Names and texts; "" for what is not known."""
    options = ", ".join(f"{name} {_text(value)}" for name, value in card.options.items())
    far = (
        ""
        if card.cutoff is None
        else f"{card.cutoff:g} Å; atoms up to {card.receptive_field:g} Å apart interact (layer after layer)"
    )
    versions = {"format": card.format, "eqgraph": card.eqgraph_version, "torch": card.torch_version}
    return [
        ("kind", card.kind),
        ("description", card.description or ""),
        ("author", card.author or ""),
        ("licence", card.licence or "not stated"),
        ("architecture", card.architecture),
        ("options", options),
        ("parameters", f"{card.num_parameters} ({card.dtype})"),
        ("elements", " ".join(card.species)),
        ("cutoff", far),
        ("E0s (eV)", ", ".join(f"{symbol} {energy:.6f}" for symbol, energy in card.E0s.items())),
        ("units", ", ".join(f"{name} {unit}" for name, unit in card.units.items())),
        ("classes", f"{len(card.classes)}: {', '.join(card.classes)}" if card.classes else ""),
        ("features", card.irreps_x or ""),
        ("training", _training(card.training)),
        ("data hash", card.data_hash or ""),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items() if version)),
        ("file", f"{card.size} bytes, weights undamaged (SHA-256 {card.sha256})"),
    ]


def _training(training: dict[str, Any]) -> str:
    asked = [
        f"at most {training[name]:g} {unit}"
        for name, unit in (("max_epochs", "epochs"), ("max_time", "s"))
        if isinstance(training.get(name), int | float)
    ]
    parts = {
        "epochs": "{} epochs",
        "steps": "{} steps",
        "kept_epoch": "model of epoch {} kept",
        "seed": "seed {}",
        "initial_model": "started from {}",
    }
    done = [text.format(_text(training[name])) for name, text in parts.items() if name in training]
    return ", ".join([*done, *asked])


def _error_table(errors: dict[str, list[dict[str, Any]]]) -> Any:
    """The columns are those that the rows have."""
    from rich.table import Table

    from eqgraph.report import plain

    names = list(dict.fromkeys(name for rows in errors.values() for row in rows for name in row))
    table = Table(title="Errors" if "rmse" in names else "Scores", title_justify="left")
    table.add_column("set", no_wrap=True)
    for name in names:
        number = any(isinstance(row.get(name), int | float) for rows in errors.values() for row in rows)
        table.add_column(plain(_HEADINGS.get(name, name)), justify="right" if number else "left", no_wrap=True)
    for name, rows in errors.items():
        for index, row in enumerate(rows):
            table.add_row(plain(name if index == 0 else ""), *(plain(_text(row.get(key))) for key in names))
        table.add_section()
    return table


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(entry)}" for name, entry in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
