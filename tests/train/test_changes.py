"""Runs that go on with another config or other data."""

import errno
import importlib
import io
import math
import os
from pathlib import Path

import ase.io
import pytest
import yaml
from rich.console import Console

from eqgraph.train import fit, parse_config, resume
from eqgraph.train.checkpoint import CheckpointFile, read_checkpoint


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=120)


@pytest.fixture
def run(raw, console, monkeypatch):
    """One epoch of a run, and its directory."""
    module = importlib.import_module("eqgraph.train.potential.task")
    monkeypatch.setattr(module, "plot_parity", lambda *arguments: None)
    monkeypatch.setattr(module, "plot_learning_curve", lambda *arguments: None)
    raw["training"] |= {"max_epochs": 1, "batch_size": 5}
    return fit(parse_config(raw), console)


def test_changes_are_listed_and_refused_unless_allowed(run, console):
    changed = ["optimizer.learning_rate=0.02", "loss.energy=3", "training.max_epochs=2"]
    with pytest.raises(
        ValueError,
        match=r"(?s)Expected to resume the run in '.*run' with its own config and data, came changes:\n"
        r"  loss\.energy: 1\.0 -> 3\.0\n  optimizer\.learning_rate: 0\.01 -> 0\.02\nSet them back, or add --allow-changes",
    ):
        resume(run.output, changed, console=console)
    assert len(run.history) == 1
    result = resume(run.output, changed, allow_changes=True, console=console)
    assert len(result.history) == 2
    printed = console.file.getvalue().splitlines()
    assert [line for line in printed if line.startswith("Changed")] == [
        "Changed: loss.energy: 1.0 -> 3.0",
        "Changed: optimizer.learning_rate: 0.01 -> 0.02",
        "Changed: training.max_epochs: 1 -> 2",
    ]
    assert yaml.safe_load((run.output / "config.yaml").read_text())["loss"]["energy"] == 3.0
    resume(run.output, console=console)  # the changes are of the run now


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("model.num_features=5", r"model\.num_features: 4 -> 5"),
        ("training.seed=3", r"training\.seed: 0 -> 3"),
        ("optimizer.name=adamw", r"optimizer\.name: adam -> adamw"),
    ],
)
def test_impossible_changes(run, console, change, line):
    with pytest.raises(ValueError, match=rf"  {line}\n(.*\n)*Its weights and its optimizer do not fit these"):
        resume(run.output, [change], allow_changes=True, console=console)


def test_an_edited_config_is_a_change(run, console):
    path = run.output / "config.yaml"
    path.write_text(path.read_text().replace("forces: 1.0", "forces: 7.0"))
    with pytest.raises(ValueError, match=r"came changes:\n  loss\.forces: 1\.0 -> 7\.0\n"):
        resume(run.output, console=console)


def test_other_data_are_a_change(run, folder, console):
    frames = ase.io.read(folder / "train.xyz", ":")
    frames[3].calc.results["energy"] += 0.1
    ase.io.write(folder / "train.xyz", frames)
    with pytest.raises(ValueError, match=r"came changes:\n  data\.hash: \w{12} -> \w{12}\nSet them back"):
        resume(run.output, console=console)


def test_the_same_data_elsewhere_are_none(run, folder, console):
    (folder / "train.xyz").rename(folder / "moved.xyz")
    result = resume(run.output, [f"data.train={folder / 'moved.xyz'}", "training.max_epochs=2"], console=console)
    assert len(result.history) == 2


def test_a_changed_learning_rate_is_the_one_used(raw, console, run):
    raw["schedule"] = {"name": "constant"}
    raw["training"]["overwrite"] = True
    fit(parse_config(raw), console)
    changed = ["optimizer.learning_rate=0.001", "optimizer.weight_decay=0.5", "training.max_epochs=2"]
    result = resume(run.output, changed, allow_changes=True, console=console)
    assert [row["learning_rate"] for row in result.history] == pytest.approx([0.01, 0.001])
    (group,) = read_checkpoint(run.output / "last.ckpt")["optimizer_states"][0]["param_groups"]
    assert group["weight_decay"] == 0.5


def test_changed_numbers_of_a_plateau_and_a_loss(raw, console, run):
    """What was best by another loss does not count."""
    raw["schedule"] = {"name": "plateau", "patience": 9}
    raw["training"] |= {"overwrite": True, "early_stopping": 5}
    fit(parse_config(raw), console)
    changed = ["schedule.patience=3", "schedule.min_learning_rate=0.004", "loss.energy=1e6", "training.max_epochs=2"]
    result = resume(run.output, [*changed, "training.early_stopping=7"], allow_changes=True, console=console)
    checkpoint = read_checkpoint(run.output / "last.ckpt")
    (scheduler,) = checkpoint["lr_schedulers"]
    assert (scheduler["patience"], scheduler["min_lrs"]) == (3, [0.004])
    assert (
        checkpoint["callbacks"]["SaveBest"]["loss"]
        == result.history[-1]["valid_loss"]
        > result.history[0]["valid_loss"]
    )
    (stop,) = [state for name, state in checkpoint["callbacks"].items() if name.startswith("EarlyStop")]
    assert stop["patience"] == 7
    assert stop["best_score"].item() == pytest.approx(result.history[-1]["valid_loss"])
    assert math.isfinite(scheduler["best"])


def test_a_run_of_one_seed_is_not_one_of_several(run, console):
    with pytest.raises(ValueError, match=r"Expected a run of one seed to resume in '.*', came training\.seeds=2"):
        resume(run.output, ["training.seeds=2"], console=console)


def test_a_run_goes_on_in_its_directory(run, console):
    with pytest.raises(ValueError, match=r"came 'training\.output=b': it goes on in its directory"):
        resume(run.output, ["training.output=b"], console=console)


def test_other_batches_in_the_middle_of_an_epoch(raw, console, run):
    path = run.output / "last.ckpt"
    checkpoint = read_checkpoint(path)
    checkpoint["run"] |= {"epoch": 0, "batch": 2}
    CheckpointFile().save_checkpoint(checkpoint, path)
    with pytest.raises(
        ValueError,
        match=r"Expected 3 batches per epoch, because .* in the middle of epoch 1, came 2\. .*max_epochs=1 first",
    ):
        resume(run.output, ["training.batch_size=10"], allow_changes=True, console=console)


def test_a_run_in_a_directory_that_cannot_be_written(run, console, monkeypatch):
    before = {path.name: path.read_bytes() for path in run.output.iterdir()}

    def refuse(self, *arguments, **keywords):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(
        OSError,
        match=r"Expected to write to training\.output = '.*run', came: .*Read-only file system.*To go on from it: eqgraph",
    ):
        resume(run.output, ["training.max_epochs=2"], console=console)
    assert {path.name: path.read_bytes() for path in run.output.iterdir()} == before
