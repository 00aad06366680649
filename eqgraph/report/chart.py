"""Charts that a browser draws: plotly's figures as plain JSON, in which nothing that came from data is obeyed.

Points are SVG, never WebGL: it prints sharply, browsers allow some 16 WebGL charts a page, and not all machines have it. So charts
have thousands of points, not millions: see `points_to_draw`.
"""

from __future__ import annotations

import base64
import html
import json
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

from .plain_text import printable

CHART = "<figure class='chart'>"
"""How a chart begins."""
DRAW_CHARTS = """"use strict";
const charts = [...document.querySelectorAll("figure.chart")];
for (const chart of charts) {
  const place = chart.querySelector("div");
  try {
    const {data, layout} = JSON.parse(chart.querySelector("script").textContent);
    for (const trace of data) if (trace.text?.of !== undefined) trace.text = data[trace.text.of].text;
    Plotly.newPlot(place, data, layout, {responsive: true, displaylogo: false,
      displayModeBar: layout.height < 250 ? false : "hover",  // there would be no room
      // a button that uploads the data is plotly's default
      showSendToCloud: false, showLink: false, plotlyServerURL: "",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "sendDataToCloud", "sendChartToCloud"]});
  } catch (error) {
    place.className = "notice";
    place.textContent = "This chart could not be drawn: " + error;
  }
}
const fit = width => {
  document.body.style.width = width;
  for (const chart of charts) Plotly.Plots.resize(chart.querySelector("div"));
};
addEventListener("beforeprint", () => fit("680px"));
addEventListener("afterprint", () => fit(""));
"""
_LONGEST = 40
_INK, _LINES = "#222", "#e6e6e6"


class Chart(NamedTuple):
    """One figure.

    Attributes:
        data: traces, as plotly.js reads them; arrays by `numbers`, texts from data by `chart_text`. "text": {"of": 0} are those of the
            first trace once more.
        layout: axes and so on, see `axis`.
        title: plain text above it.
        caption: plain text below it.
        height: in pixels.
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    title: str = ""
    caption: str = ""
    height: int = 360

    def html(self) -> str:
        """For a page: the script of `write_page` draws it."""
        layout = {
            "template": {"layout": {}},
            "font": {"family": "system-ui, sans-serif", "size": 12.5, "color": _INK},
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
            "margin": {"l": 64, "r": 12, "t": 12, "b": 46},
            "hoverlabel": {"align": "left", "bgcolor": "white", "font": {"color": _INK}},
            "hovermode": "closest",
            "legend": {
                "orientation": "h",
                "y": 1.0,
                "yanchor": "bottom",
                "x": 0,
                "font": {"size": 12},
                "itemsizing": "constant",
            },
            "height": self.height,
        } | self.layout
        # no < in it: nothing can end the script, whatever the names are
        content = json.dumps({"data": self.data, "layout": layout}, allow_nan=False).replace("<", "\\u003c")
        title = f"<h3>{html.escape(self.title)}</h3>" if self.title else ""
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return (
            f"{CHART}{title}<div style='height: {self.height}px'></div>"
            f"<script type='application/json'>{content}</script>{caption}</figure>"
        )


def numbers(values: np.ndarray) -> dict[str, str]:
    """Numbers as plotly.js reads them, in four bytes each; what is not finite is a gap.

    Example:
        >>> numbers(np.array([0.0, 1.0]))
        {'dtype': 'f4', 'bdata': 'AAAAAAAAgD8='}
    """
    values = np.where(np.isfinite(values), values, np.nan).astype("<f4")
    return {"dtype": "f4", "bdata": base64.b64encode(values.tobytes()).decode()}


def chart_text(name: str, cut: bool = False) -> str:
    """A name in a chart: plotly would take <b> or <a href=...> for its own marks.

    Args:
        name: as it came.
        cut: whether to shorten a long one, which would leave no room to the chart.

    Example:
        >>> chart_text("<b>cube</b>")
        '&lt;b&gt;cube&lt;/b&gt;'
    """
    text = printable(name)
    if cut and len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return html.escape(text, quote=False)


def axis(title: str, **options: Any) -> dict[str, Any]:
    """An axis with a grid; title: with its unit."""
    return {
        "title": {"text": title, "standoff": 8},
        "gridcolor": _LINES,
        "linecolor": "#999",
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": "#999",
        "exponentformat": "power",
        "automargin": True,
    } | options


def log_axis(title: str, values: np.ndarray, **options: Any) -> dict[str, Any]:
    """A logarithmic axis; below two decades, where the powers of ten are too few ticks, with labels in between.

    Args:
        title: with its unit.
        values: that are shown; where none is positive, the axis is linear.
        **options: as plotly names them.

    Example:
        >>> log_axis("loss", np.array([0.1, 3.0]))["ticktext"]
        ['0.1', '0.2', '0.5', '1', '2', '5']
    """
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return axis(title, **options)
    low, high = float(positive.min()), float(positive.max())
    if high / low < 2:
        ticks = [tick for tick in MaxNLocator(4).tick_values(low, high) if tick > 0]
    else:
        decades = np.log10(high / low)
        steps = (1,) if decades >= 2 else (1, 2, 5) if decades > 0.9 else (1, 1.5, 2, 3, 5, 7)
        powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        ticks = [step * 10.0**power for power in powers for step in steps]
        ticks = [tick for tick in ticks if low / 2.01 <= tick <= 2.01 * high]
    return axis(title, type="log", tickvals=ticks, ticktext=[f"{tick:.6g}" for tick in ticks], **options)


def points_to_draw(errors: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Which of many points to draw: the tenth part of them are those of the largest errors, the others are drawn at random.

    Args:
        errors: (points,) finite.
        count: how many points at most.
        seed: of the random numbers.

    Returns:
        Their numbers in a random order, so that no color hides another.

    Example:
        >>> sorted(points_to_draw(np.array([0.0, -9.0, 0.0]), 2).tolist())[-2] in (0, 1)
        True
    """
    order = np.random.default_rng(seed).permutation(len(errors))
    if len(errors) <= count:
        return order
    worst = np.argsort(-np.abs(errors), kind="stable")[: max(count // 10, 1)]
    others = order[~np.isin(order, worst)][: count - len(worst)]
    return np.random.default_rng(seed).permutation(np.concatenate([worst, others]))


def say_drawn(shown: int, count: int, what: str) -> str:
    """What `points_to_draw` did, for the caption.

    Example:
        >>> say_drawn(2000, 20250, "components")
        'Drawn are 2000 of 20250 components: those with the largest errors (a tenth) and others at random.'
    """
    if shown == count:
        return ""
    return f"Drawn are {shown} of {count} {what}: those with the largest errors (a tenth) and others at random."


def epoch_axis(num_epochs: int, **options: Any) -> dict[str, Any]:
    """An axis of whole epochs."""
    few = {"dtick": 1} if num_epochs <= 15 else {}
    return axis("epoch", tickformat="d", **few, **options)
