"""A preflight of structures and their labels, before anything is trained on them."""

from .check_files import check_files, check_frames
from .finding import CheckReport, Finding
from .page import write_check_page
from .table import findings_table

__all__ = ["CheckReport", "Finding", "check_files", "check_frames", "findings_table", "write_check_page"]
