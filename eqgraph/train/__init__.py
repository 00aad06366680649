"""Training: configs, Lightning modules and data modules, evaluation, reports. What potentials and point clouds share is here."""

from .config_file import load_config, parse_config
from .fit import TrainingInterrupted, fit, resume
from .module import DivergedError
from .points import (
    ClassScores,
    PartScores,
    PointsConfig,
    PointsEvaluation,
    evaluate_points,
    evaluate_points_file,
    evaluation_tables,
    write_class_predictions,
)
from .potential import (
    Config,
    ErrorRow,
    ErrorSum,
    Evaluation,
    Loss,
    PotentialErrors,
    calibration_table,
    error_table,
    evaluate,
    read_labelled,
    write_predictions,
)
from .report_run import report_run
from .settings import choose_device
from .task import FitResult

__all__ = [
    "ClassScores",
    "Config",
    "DivergedError",
    "ErrorRow",
    "ErrorSum",
    "Evaluation",
    "FitResult",
    "Loss",
    "PartScores",
    "PointsConfig",
    "PointsEvaluation",
    "PotentialErrors",
    "TrainingInterrupted",
    "calibration_table",
    "choose_device",
    "error_table",
    "evaluate",
    "evaluate_points",
    "evaluate_points_file",
    "evaluation_tables",
    "fit",
    "load_config",
    "parse_config",
    "read_labelled",
    "report_run",
    "resume",
    "write_class_predictions",
    "write_predictions",
]
