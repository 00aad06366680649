"""A training on point clouds as a whole: that it learns, what it leaves on disk, that it repeats itself."""

import copy
import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from parsed_page import ParsedPage
from rich.console import Console

from eqgraph.models import load_classifier
from eqgraph.train import FitResult, TrainingInterrupted, evaluate_points_file, fit, parse_config, resume
from eqgraph.train.checkpoint import read_checkpoint
from eqgraph.train.points import task as points_task
from eqgraph.train.points.module import PointsModule

LEARNS = {"max_epochs": 8, "ema_decay": 0.8}


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=120)


@pytest.fixture(autouse=True)
def _no_pictures(request, monkeypatch):
    """Plots take longer than these trainings: the tests of learning draw them."""
    if "learns" not in request.function.__name__:
        no_pictures(monkeypatch)


def no_pictures(monkeypatch):
    for name in ("plot_confusion", "plot_per_class", "plot_points_learning_curve"):
        monkeypatch.setattr(points_task, name, lambda *arguments: None)


@pytest.fixture(scope="module")
def shared_run(shared_raw, tmp_path_factory) -> FitResult:
    """A run of the default test config, to read only."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        no_pictures(monkeypatch)
        output = str(tmp_path_factory.mktemp("shared") / "run")
        return run(copy.deepcopy(shared_raw), Console(file=io.StringIO()), output=output)


def run(raw: dict, console: Console, **training) -> FitResult:
    raw["training"].update(training)
    return fit(parse_config(raw), console)


def without_seconds(history: list[dict]) -> list[dict]:
    return [{k: value for k, value in row.items() if k != "seconds" and not math.isnan(value)} for row in history]


def assert_same_weights(first: Path, second: Path) -> None:
    first, second = (load_classifier(path)[0].state_dict() for path in (first, second))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_classification_learns_and_reports(raw, console):
    raw["data"] |= {"valid": 6, "num_points": 28, "protocol": "SO3/SO3", "jitter": 0.01}
    raw["optimizer"] = {"learning_rate": 0.02}
    result = run(raw, console, **LEARNS)
    assert result.errors["new"].accuracy > 0.9
    assert {path.name for path in result.output.iterdir()} == {
        "config.yaml",
        "model.eqg",
        "last.ckpt",
        "previous.ckpt",
        "metrics.csv",
        "scores.csv",
        "learning_curve.png",
        "per_class.png",
        "confusion_valid.png",
        "confusion_new.png",
        "report.html",
    }
    accuracy = f"{100 * result.errors['new'].accuracy:.2f}"
    printed = console.file.getvalue()
    for words in (
        "36 training, 6 validation, 15 test (new)",
        "3: ball, cube, rod",
        "28 of 32, drawn in every epoch, no features",
        "protocol SO3/SO3, jitter 0.01",
        "cross entropy, label smoothing 0.1",
        "the model of the final epoch",
        "8 epochs of 5 steps",
        "clouds/s",
        "% train",
        "% valid",
        "Model (epoch 8)",
        accuracy,
    ):
        assert words in printed, words
    with (result.output / "scores.csv").open() as file:
        table = {(row["set"], row["quantity"], row["class"]): float(row["value"]) for row in csv.DictReader(file)}
    assert table["new", "accuracy (%)", "all"] == pytest.approx(100 * result.errors["new"].accuracy)
    assert table["new", "accuracy (%)", "rod"] == pytest.approx(100 * result.errors["new"].class_accuracy[2])
    with (result.output / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in ("train_accuracy", "valid_accuracy"))

    page = ParsedPage(result.output / "report.html")
    assert accuracy in [row[1] for row in page.tables["Accuracy"]]
    assert "protocol: SO3/SO3" in page.text
    assert [chart["data"][0]["type"] for chart in page.charts] == [
        "heatmap",
        "heatmap",
        "scatter",
        "scatter",
        "scatter",
    ]

    # eval sees what the training saw
    again = evaluate_points_file(result.model, Path(raw["data"]["test"]["new"]), batch_size=4)
    np.testing.assert_array_equal(again.scores.confusion, result.errors["new"].confusion)
    assert again.scores.cross_entropy == pytest.approx(result.errors["new"].cross_entropy, rel=1e-5)
    metadata = load_classifier(result.model)[1]["metadata"]
    assert metadata["validation"]["epoch"] == 8
    assert metadata["training"]["task"] == "classification"
    assert len(metadata["data_hash"]) == 64


def test_segmentation_learns_and_reports(raw, folder, console):
    raw["task"] = "segmentation"
    raw["data"] |= {"train": str(folder / "parts"), "test": str(folder / "parts"), "valid": 4, "protocol": "z/SO3"}
    raw["optimizer"] = {"learning_rate": 0.02}
    result = run(raw, console, **LEARNS)
    scores = result.errors["parts"]
    assert scores.accuracy > 0.9
    assert scores.instance_iou > 0.8
    assert scores.count == 5 * 48
    assert "mIoU of clouds (%)" in console.file.getvalue()
    assert result.history[-1]["valid_instance_iou"] == pytest.approx(result.errors["valid"].instance_iou)
    assert f"{100 * scores.mean_iou:.2f}" in (result.output / "report.html").read_text()
    again = evaluate_points_file(result.model, folder / "parts")
    np.testing.assert_array_equal(again.scores.confusion, scores.confusion)
    assert again.num_points.tolist() == [48] * 5


def test_the_final_model_is_kept_with_the_mean_weights(shared_run):
    checkpoint = read_checkpoint(shared_run.output / "last.ckpt")
    mean = checkpoint["callbacks"]["EMA"]["state"]
    model, header = load_classifier(shared_run.model)
    assert header["metadata"]["validation"]["epoch"] == 2
    for name, tensor in model.state_dict().items():
        if name in mean:
            assert torch.equal(tensor, mean[name]), name
    assert any(not torch.equal(tensor, checkpoint["state_dict"][f"model.{name}"]) for name, tensor in mean.items())


def test_the_best_in_validation_is_kept_if_asked_for(raw, console):
    raw["data"]["valid"] = 9
    raw["optimizer"] = {"learning_rate": 0.05}
    result = run(raw, console, keep="best_valid", max_epochs=4)
    best = min(result.history, key=lambda row: row["valid_loss"])
    assert load_classifier(result.model)[1]["metadata"]["validation"]["epoch"] == best["epoch"]
    assert result.errors["valid"].accuracy == pytest.approx(best["valid_accuracy"])
    assert result.errors["valid"].mean_class_accuracy == pytest.approx(best["valid_mean_class_accuracy"])


def test_same_seed_same_numbers(shared_run, raw, folder, console):
    second = run(raw, console, output=str(folder / "b"))
    other = run(raw, console, output=str(folder / "c"), seed=1)
    assert without_seconds(shared_run.history) == without_seconds(second.history) != without_seconds(other.history)
    assert_same_weights(shared_run.model, second.model)


def test_interrupted_and_resumed_is_uninterrupted(raw, folder, console, monkeypatch):
    """With everything that draws random numbers."""
    raw["data"] |= {"valid": 6, "num_points": 20, "protocol": "SO3/SO3", "jitter": 0.01, "point_dropout": 0.3}
    raw["data"]["scale"] = [0.9, 1.1]
    raw["loss"] = {"class_weights": "balanced"}
    whole = run(raw, console, output=str(folder / "whole"), max_epochs=3)
    training_step = PointsModule.training_step

    def interrupt(self, batch, batch_idx):
        if self.current_epoch == 1 and batch_idx == 1:
            raise KeyboardInterrupt
        return training_step(self, batch, batch_idx)

    monkeypatch.setattr(PointsModule, "training_step", interrupt)
    with pytest.raises(TrainingInterrupted, match=r"The last good model is intact: .*model\.eqg"):
        run(raw, console, output=str(folder / "parts"), max_epochs=3)
    monkeypatch.undo()
    no_pictures(monkeypatch)
    resumed = resume(folder / "parts", console=console)
    assert without_seconds(resumed.history) == without_seconds(whole.history)
    assert_same_weights(resumed.model, whole.model)


def test_seeds(shared_run, raw, folder, console, monkeypatch):
    result = run(raw, console, seeds=2)
    found = [path.name for path in sorted(result.output.iterdir())]
    assert found == ["config.yaml", "report.html", "seed_0", "seed_1", "seeds.csv"]
    assert_same_weights(result.model, shared_run.model)
    assert len(result.seeds) == 2
    accuracies = [100 * seed.errors["new"].accuracy for seed in result.seeds]
    with (result.output / "seeds.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["quantity"] == "accuracy (%)")
    assert [float(row["seed_0"]), float(row["seed_1"])] == pytest.approx(accuracies)
    assert float(row["mean"]) == pytest.approx(np.mean(accuracies))
    assert float(row["deviation"]) == pytest.approx(np.std(accuracies, ddof=1))
    printed = console.file.getvalue()
    assert "Seed 1 (2 of 2)" in printed
    assert "Mean and standard deviation over 2 seeds" in printed

    with pytest.raises(ValueError, match=r"already holds a run \(config\.yaml, .*seeds\.csv.*training\.overwrite=true"):
        run(raw, console)
    # a third seed, and nothing of the first two is trained again
    steps = []
    training_step = PointsModule.training_step
    monkeypatch.setattr(
        PointsModule, "training_step", lambda self, *batch: steps.append(1) or training_step(self, *batch)
    )
    more = resume(result.output, ["training.seeds=3"], console=console)
    assert len(steps) == 2 * 6  # two epochs of one seed
    assert [seed.errors["new"].accuracy for seed in more.seeds[:2]] == [s.errors["new"].accuracy for s in result.seeds]
    # replaced by one run
    run(raw, console, seeds=1, overwrite=True, max_epochs=1)
    assert not list(result.output.glob("seed*/*"))


def test_votes(raw, console):
    raw["data"] |= {"num_points": 8}
    result = run(raw, console, votes=3, max_epochs=1)
    assert result.errors["new"].count == 15
    once = evaluate_points_file(result.model, Path(raw["data"]["test"]["new"]))
    np.testing.assert_array_equal(once.scores.confusion, result.errors["new"].confusion)


def test_float64_subset_of_classes_and_folders(raw, folder, console):
    """The other branches; the test set lacks a class and counts the others in another order."""
    for name, label in (("rod", 2), ("ball", 0)):
        for split, number in (("train", 4), ("test", 2)):
            (folder / "own" / name / split).mkdir(parents=True)
            with np.load(folder / "data" / f"{split}.npz") as arrays:
                points = arrays["points"][arrays["label"] == label]
            for index in range(number):
                np.save(folder / "own" / name / split / f"{index}.npy", points[index])
    raw["data"] |= {"classes": ["rod", "ball", "cube"], "test": {"own": str(folder / "own")}, "valid": 0.2}
    raw["data"] |= {"normalize": "sphere", "estimate_normals": 6}
    raw["schedule"] = {"name": "plateau", "patience": 1}
    result = run(raw, console, dtype="float64", max_epochs=2)
    scores = result.errors["own"]
    assert scores.support.tolist() == [2, 2, 0]
    assert "features 1x1o" in console.file.getvalue()
    model, header = load_classifier(result.model)
    assert header["classes"] == ["rod", "ball", "cube"]
    assert next(model.parameters()).dtype == torch.float64
    again = evaluate_points_file(result.model, folder / "own")
    np.testing.assert_array_equal(again.scores.confusion, scores.confusion)


def test_config_repeats_the_run(shared_run, folder, console):
    raw = yaml.safe_load((shared_run.output / "config.yaml").read_text())
    again = run(raw, console, output=str(folder / "again"))
    assert_same_weights(shared_run.model, again.model)


def test_resuming_another_task_is_refused(raw, folder, console):
    run(raw, console, max_epochs=1)
    with pytest.raises(ValueError, match=r"came changes:\n  task: classification -> segmentation\nIts weights"):
        resume(raw["training"]["output"], ["task=segmentation"], console=console)
