"""`eqgraph selftest`: whether a potential obeys physics on a structure, one file per test; run.py runs them."""

from .made_structures import made_structures
from .measurement import Measurement
from .read_structure import read_structure
from .report import SelftestReport, StructureResults
from .result import SelftestResult
from .run import run_selftest
from .table import selftest_tables

__all__ = [
    "Measurement",
    "SelftestReport",
    "SelftestResult",
    "StructureResults",
    "made_structures",
    "read_structure",
    "run_selftest",
    "selftest_tables",
]
