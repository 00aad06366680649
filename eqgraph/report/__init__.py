"""Tables, pictures, charts and pages that show results to people."""

from .chart import Chart, axis, chart_text, epoch_axis, log_axis, numbers, points_to_draw, say_drawn
from .figure import COLORS, GRAY, log_scale, png_bytes, save_figure
from .page import picture, write_page
from .plain_table import PlainTable
from .plain_text import label, plain
from .section import Section, grid, named_texts, paragraph

__all__ = [
    "COLORS",
    "GRAY",
    "Chart",
    "PlainTable",
    "Section",
    "axis",
    "chart_text",
    "epoch_axis",
    "grid",
    "label",
    "log_axis",
    "log_scale",
    "named_texts",
    "numbers",
    "paragraph",
    "picture",
    "plain",
    "png_bytes",
    "points_to_draw",
    "save_figure",
    "say_drawn",
    "write_page",
]
