"""Training a potential: config, loss, Lightning module and data module, evaluation, reports."""

from .config import Config
from .config_file import load_config, parse_config
from .data import read_labelled
from .evaluate import Evaluation, evaluate, write_predictions
from .fit import FitResult, TrainingInterrupted, fit
from .loss import Loss
from .metrics import ErrorRow, ErrorSum, PotentialErrors
from .module import DivergedError
from .settings import choose_device
from .tables import error_table

__all__ = [
    "Config",
    "DivergedError",
    "ErrorRow",
    "ErrorSum",
    "Evaluation",
    "FitResult",
    "Loss",
    "PotentialErrors",
    "TrainingInterrupted",
    "choose_device",
    "error_table",
    "evaluate",
    "fit",
    "load_config",
    "parse_config",
    "read_labelled",
    "write_predictions",
]
