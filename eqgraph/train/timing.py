"""How long a training took, for its page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from eqgraph.report import COLORS, Chart, axis, epoch_axis, numbers


def timing_rows(rows: Sequence[dict[str, float]]) -> dict[str, str]:
    """Name -> what took how long, validation included.

    Args:
        rows: of `metrics.csv`, see `History`.

    Example:
        >>> timing_rows([{"epoch": 1, "step": 10, "seconds": 3.0}, {"epoch": 2, "step": 20, "seconds": 5.0}])
        {'total': '0:00:05 (5.0 s), epochs: 2, steps: 20', 'epoch': '2.00 s (median), 0.4 epochs/s', 'step': '200 ms (median)'}
    """
    epochs, steps, seconds = _per_epoch(rows)
    total, last = float(rows[-1]["seconds"]), rows[-1]
    return {
        "total": f"{timedelta(seconds=round(total))} ({total:.1f} s), epochs: {last['epoch']:.0f}, steps: {last['step']:.0f}",
        "epoch": f"{np.median(seconds / epochs):.2f} s (median), {last['epoch'] / max(total, 1e-9):.3g} epochs/s",
        "step": f"{1000 * np.median(seconds / steps):.3g} ms (median)",
    }


def timing_chart(rows: Sequence[dict[str, float]]) -> Chart:
    """Milliseconds per step over epochs."""
    _, steps, seconds = _per_epoch(rows)
    values = 1000 * seconds / steps
    epoch = np.array([row["epoch"] for row in rows[-len(values) :]], dtype=float)
    trace = {
        "type": "scatter",
        "mode": "lines+markers" if len(rows) < 40 else "lines",
        "x": numbers(epoch),
        "y": numbers(values),
        "line": {"color": COLORS[0], "width": 1.4},
        "hovertemplate": "epoch %{x:d}: %{y:.3g} ms<extra></extra>",
    }
    layout = {"xaxis": epoch_axis(len(values)), "yaxis": axis("time per step (ms)", rangemode="tozero")}
    return Chart([trace], layout, "", "Time of an epoch over its steps; it includes the validation.", 240)


def _per_epoch(rows: Sequence[dict[str, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Epochs, steps and seconds from row to row. The first row, which also pays for what is done once, is left out if possible."""
    columns = (np.diff([0.0, *(row[name] for row in rows)]) for name in ("epoch", "step", "seconds"))
    epochs, steps, seconds = (column[1:] if len(rows) > 1 else column for column in columns)
    return np.maximum(epochs, 1), np.maximum(steps, 1), seconds
