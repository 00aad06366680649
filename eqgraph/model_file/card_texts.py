"""The card of a model file as people read it."""

from __future__ import annotations

from typing import Any

from .card import ModelCard


def card_texts(card: ModelCard) -> dict[str, str]:
    """Name -> text of all that a card says, but for the tables of errors; without what is not known.

    Args:
        card: see model_card.
    """
    options = ", ".join(f"{name} {text_of(value)}" for name, value in card.options.items())
    far = (
        ""
        if card.cutoff is None
        else f"{card.cutoff:g} Å; atoms up to {card.receptive_field:g} Å apart interact (layer after layer)"
    )
    versions = {"format": card.format, "eqgraph": card.eqgraph_version, "torch": card.torch_version}
    rows = [
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
    return {name: text for name, text in rows if text}


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
    done = [text.format(text_of(training[name])) for name, text in parts.items() if name in training]
    return ", ".join([*done, *asked])


def text_of(value: Any) -> str:
    """A value of a header as people read it.

    Example:
        >>> text_of({"seed": 0, "widths": [64, 64], "loss": 0.123456})
        'seed 0, widths [64, 64], loss 0.1235'
    """
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {text_of(entry)}" for name, entry in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(map(text_of, value)) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
