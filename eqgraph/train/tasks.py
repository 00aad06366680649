"""The kinds of training by name."""

from __future__ import annotations

from .points.task import PointsTask
from .potential.task import PotentialTask
from .task import Task

TASKS: dict[str, Task] = {
    "potential": PotentialTask(),
    "classification": PointsTask(),
    "segmentation": PointsTask(),
}
"""What `task:` in a YAML file may be -> what it does."""
DEFAULT_TASK = "potential"
