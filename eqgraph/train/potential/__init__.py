"""Training a potential: its config, data, loss, errors and reports."""

from .config import Config
from .evaluate import Evaluation, evaluate, write_predictions
from .loss import Loss
from .metrics import ErrorRow, ErrorSum, PotentialErrors
from .structures import read_labelled
from .tables import calibration_table, error_table

__all__ = [
    "Config",
    "ErrorRow",
    "ErrorSum",
    "Evaluation",
    "Loss",
    "PotentialErrors",
    "calibration_table",
    "error_table",
    "evaluate",
    "read_labelled",
    "write_predictions",
]
