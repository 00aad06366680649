"""Tables, pictures and pages that show results to people."""

from .figure import COLORS, GRAY, log_scale, png_bytes, save_figure
from .page import picture, write_page
from .plain_table import PlainTable
from .plain_text import label, plain

__all__ = [
    "COLORS",
    "GRAY",
    "PlainTable",
    "label",
    "log_scale",
    "picture",
    "plain",
    "png_bytes",
    "save_figure",
    "write_page",
]
