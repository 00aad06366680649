"""Model files without their tensors: what their headers say, in which format, and the card that people read. No torch in here."""

from .card import ModelCard, model_card
from .formats import format_name, upgrade_tensors, upgraded
from .header import add_metadata, checksum, header_text, parse_header, read_bytes, read_header, training_section

__all__ = [
    "ModelCard",
    "add_metadata",
    "checksum",
    "format_name",
    "header_text",
    "model_card",
    "parse_header",
    "read_bytes",
    "read_header",
    "training_section",
    "upgrade_tensors",
    "upgraded",
]
