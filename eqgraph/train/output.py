"""The directory of a run: what is in it, and when it may be written to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from eqgraph.replacing import replacing

from .checkpoint import read_checkpoint
from .config import Section, name_in_file
from .yaml_file import read_yaml

# what a resumed run may do differently: how long, and on what
_MAY_CHANGE = {
    ("data", "test"),
    ("data", "in_memory"),
    *(
        ("training", key)
        for key in (
            "output",
            "overwrite",
            "resume",
            "valid_batch_size",
            "max_epochs",
            "max_time",
            "early_stopping",
            "device",
            "threads",
            "workers",
            "seeds",
        )
    ),
}


_FILES = (
    "config.yaml",
    "model.eqg",
    "last.ckpt",
    "metrics.csv",
    "errors.csv",
    "scores.csv",
    "seeds.csv",
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
        seeds: number of runs; several are in sub-directories.
    """

    def __init__(self, path: str | Path, seeds: int = 1) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.model = self.path / "model.eqg"
        self.checkpoint = (self.path if seeds == 1 else self.of_seed(0)) / "last.ckpt"
        self.history = self.path / "metrics.csv"
        self.errors = self.path / "errors.csv"
        self.scores = self.path / "scores.csv"
        self.seeds = self.path / "seeds.csv"
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
        """Refuse a directory that holds a run, unless told what to do with it.

        Raises:
            ValueError: if it holds a run and neither `overwrite` nor `resume` is set, or both are, or the run to resume was another
                one (names the keys that differ) or its files are damaged.
            FileNotFoundError: if there is nothing to resume, or no config.yaml beside the checkpoint.
            NotADirectoryError: if the path is a file.
        """
        overwrite, resume = config.training.overwrite, config.training.resume
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(
                f"Expected a directory as training.output, '{self.path}' is a file. Choose another path."
            )
        if overwrite and resume:
            raise ValueError("Expected training.overwrite or training.resume, came both. Set one of them to false.")
        if resume and not self.checkpoint.is_file():
            raise FileNotFoundError(
                f"Expected a run to resume in '{self.path}', found no {self.checkpoint.name} there. "
                "Set training.resume=false to start one."
            )
        if resume:
            self._check_same(config)
            read_checkpoint(self.checkpoint)
        if not overwrite and not resume and (found := self._found()):
            raise ValueError(
                f"Expected a new directory as training.output, '{self.path}' already holds a run "
                f"({', '.join(file.name for file in found)}). Choose another directory, or set training.overwrite=true to replace "
                "that run or training.resume=true to go on with it."
            )

    def open(self, config: Section) -> None:
        """Make the directory, remove an older run's files unless that run is resumed (and nothing else), write the config."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not config.training.resume:
            for file in self._found():
                file.unlink()
        with replacing(self.config) as temporary:
            written = config.model_dump(mode="json")
            written["training"] |= {"overwrite": False, "resume": False}  # of this start, not of the run
            text = yaml.safe_dump(written, sort_keys=False, allow_unicode=True)
            temporary.write_text(text, encoding="utf-8")

    def _check_same(self, config: Section) -> None:
        before = self._config_before()
        now = config.model_dump(mode="json")
        different = []
        if before.pop("task", "potential") != (task := now.pop("task")):
            different.append(f"task (now {task!r})")
        different += [
            f"{section}.{key} ({before.get(section, {}).get(key)!r} before, {value!r} now)"
            for section, keys in now.items()
            for key, value in keys.items()
            if (section, key) not in _MAY_CHANGE and before.get(section, {}).get(key) != value
        ]
        if different:
            raise ValueError(
                f"Expected to resume the run in '{self.path}' with its own config, came other values of "
                f"{', '.join(different)}. Set them back, or start a new run in another directory."
            )

    def _config_before(self) -> dict[str, Any]:
        restore = (
            "Restore the config that the run was started with, or set training.resume=false and training.overwrite=true to "
            "start again."
        )
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
