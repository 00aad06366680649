"""What all pictures have in common."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from eqgraph.replacing import replacing

# Okabe and Ito: told apart with every kind of color vision
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
GRAY = "0.45"


def log_scale(axis: Axes, values: np.ndarray) -> None:
    """Logarithmic; below two decades, where the powers of ten are too few ticks, with labels in between."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return
    axis.set_yscale("log")
    ratio = positive.max() / positive.min()
    if ratio < 100:
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio > 8 else (1, 1.5, 2, 3, 5, 7)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())


def save_figure(figure: Figure, path: str | Path) -> None:
    """As a PNG that appears complete or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def png_bytes(figure: Figure) -> bytes:
    """As a PNG in memory."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
