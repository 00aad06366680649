"""Training on point clouds: classes of clouds, or of their points."""

from .config import PointsConfig
from .evaluate import PointsEvaluation, evaluate_points, write_class_predictions
from .evaluate_file import evaluate_points_file
from .scores import ClassScores, PartScores
from .tables import evaluation_tables

__all__ = [
    "ClassScores",
    "PartScores",
    "PointsConfig",
    "PointsEvaluation",
    "evaluate_points",
    "evaluate_points_file",
    "evaluation_tables",
    "write_class_predictions",
]
