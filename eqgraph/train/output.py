"""The directory of a run: what is in it, and when it may be written to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from eqgraph.replacing import left_behind, replacing

from .config import Section, name_in_file
from .config_paths import resolve_paths
from .yaml_file import read_yaml

_FILES = (
    "config.yaml",
    "model.eqg",
    "last.ckpt",
    "previous.ckpt",
    "metrics.csv",
    "errors.csv",
    "scores.csv",
    "seeds.csv",
    "committee.json",
    "report.html",
    "learning_curve.png",
    "per_class.png",
    "parity_*.png",
    "confusion_*.png",
)
"""What any run may leave."""


class RunDirectory:
    """Names of the files of a run, or of several with different seeds.

    Args:
        path: of the directory; it need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.model = self.path / "model.eqg"
        self.checkpoint = self.path / "last.ckpt"
        self.history = self.path / "metrics.csv"
        self.errors = self.path / "errors.csv"
        self.scores = self.path / "scores.csv"
        self.seeds = self.path / "seeds.csv"
        self.committee = self.path / "committee.json"
        self.report = self.path / "report.html"
        self.learning_curve = self.path / "learning_curve.png"
        self.per_class = self.path / "per_class.png"

    def picture(self, kind: str, name: str) -> Path:
        """The picture ("parity" or "confusion") of a set of structures or clouds."""
        return self.path / f"{kind}_{name_in_file(name)}.png"

    def of_seed(self, index: int) -> Path:
        """The directory of one of several runs."""
        return self.path / f"seed_{index}"

    def check(self, config: Section) -> None:
        """Refuse a directory that holds a run, unless that is to be replaced.

        Raises:
            ValueError: if it holds a run and `overwrite` is not set.
            NotADirectoryError: if the path is a file.
        """
        there = next((path for path in (self.path, *self.path.absolute().parents) if path.exists()), None)
        if there is not None and not there.is_dir():
            raise NotADirectoryError(
                f"Expected a directory as training.output, '{there}' is a file. Choose another path."
            )
        if not config.training.overwrite and (found := self._found()):
            raise ValueError(
                f"Expected a new directory as training.output, '{self.path}' already holds a run "
                f"({', '.join(file.name for file in found)}). Choose another directory, set training.overwrite=true to replace "
                f"that run, or go on with it: eqgraph train --resume {self.path}"
            )

    def open(self, config: Section, resume: bool = False) -> None:
        """Make the directory, remove an older run's files unless that run goes on (and nothing else), write the config."""
        self.path.mkdir(parents=True, exist_ok=True)
        for file in self._left_behind() if resume else [*self._found(), *self._left_behind()]:
            file.unlink(missing_ok=True)
        with replacing(self.config) as temporary:
            text = yaml.safe_dump(as_written(config), sort_keys=False, allow_unicode=True)
            temporary.write_text(text, encoding="utf-8")

    def restore_previous(self, good: Path | None) -> None:
        """Put the checkpoint from which the run goes on in the place of a damaged one, which the next would push there."""
        if good is not None and good != self.checkpoint:
            os.replace(good, self.checkpoint)

    def config_before(self) -> dict[str, Any]:
        """The config of the run that is there.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it is damaged.
        """
        restore = "Restore it, or start a new run: eqgraph train config.yaml"
        if not self.config.is_file():
            raise FileNotFoundError(
                f"Expected the config of the run to resume in '{self.config}', found no such file. {restore}"
            )
        try:
            before = read_yaml(self.config)
        except ValueError as error:
            raise ValueError(f"{error} It is the config of the run to resume. {restore}") from None
        if not isinstance(before, dict) or not all(
            isinstance(section, dict) for name, section in before.items() if name != "task"
        ):
            raise ValueError(
                f"Expected the config of the run to resume in '{self.config}', came a file without its sections. {restore}"
            )
        return before

    def _found(self) -> list[Path]:
        patterns = [*_FILES, *(f"seed_[0-9]*/{name}" for name in _FILES)]
        return [file for pattern in patterns for file in sorted(self.path.glob(pattern))]

    def _left_behind(self) -> list[Path]:
        """Of processes that were killed while they wrote."""
        return [file for name in _FILES for file in left_behind(self.path / name)]


def as_written(config: Section) -> dict[str, Any]:
    """A config as config.yaml holds it: with absolute paths, and without what is of one start and not of the run."""
    raw = config.model_dump(mode="json")
    resolve_paths(raw, Path.cwd())
    raw["training"]["overwrite"] = False
    return raw
