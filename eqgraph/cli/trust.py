"""What is said of how far predictions can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from eqgraph.uncertainty import UncertainPotential

_SHOWN = 10


def print_trust(console: Console, model: UncertainPotential, warnings: list[str]) -> None:
    """Say where the uncertainty comes from, or that there is none; and what was out of the range of the training.

    Args:
        console: where to print.
        model: that predicts.
        warnings: see eqgraph.uncertainty.range_warnings.
    """
    from eqgraph.report import plain
    from eqgraph.uncertainty import Committee

    if isinstance(model, Committee):
        said = (
            "calibrated in validation"
            if model.is_calibrated
            else "not calibrated: they are no models of one run with several seeds"
        )
        console.print(f"Uncertainty: committee of {len(model.members)} models, {said}", soft_wrap=True, highlight=False)
    elif model.has_uncertainty:
        console.print("Uncertainty: last layer, calibrated in validation", highlight=False)
    else:
        console.print("Uncertainty: none in the model file; it is written at the end of a training", highlight=False)
    for message in warnings[:_SHOWN]:
        console.print(plain(f"warning: {message}"), style="yellow", soft_wrap=True)
    if len(warnings) > _SHOWN:
        console.print(f"warning: {len(warnings) - _SHOWN} more like these", style="yellow", highlight=False)
