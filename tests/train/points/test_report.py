"""Pictures and tables with few and with many classes."""

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from eqgraph.train import ClassScores, PartScores, evaluation_tables
from eqgraph.train.history import COLUMNS
from eqgraph.train.points.report import plot_confusion, plot_per_class, plot_points_learning_curve
from eqgraph.train.points.tables import class_table, score_table, write_scores


def scores_of(num_classes: int) -> ClassScores:
    """The first class never occurs, the second is always taken for the third."""
    scores = ClassScores(num_classes)
    labels = torch.arange(1, num_classes).repeat(5)
    scores.update(labels, torch.where(labels == 1, 2, labels))
    return scores


def assert_picture(path):
    assert path.read_bytes().startswith(b"\x89PNG")
    assert imread(path).std() > 0.05


@pytest.mark.parametrize("num_classes", [3, 40])
def test_pictures_of_classes(tmp_path, num_classes, monkeypatch):
    figures = []
    monkeypatch.setattr("eqgraph.train.points.report.save_figure", lambda figure, path: figures.append(figure))
    names = [f"class {number}" for number in range(num_classes)]
    scores = scores_of(num_classes)
    plot_confusion("", scores, names, "test")
    plot_per_class("", {"test": scores, "other": scores}, names)
    confusion, per_class = figures
    axis = confusion.axes[0]
    shown = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in axis.texts}
    assert shown[1, 2] == "100", "row: class, column: predicted"
    assert (0, 0) not in shown, "a class that does not occur has no parts"
    assert ((2, 1) in shown) == (num_classes == 3), "zeros only where there is room"
    assert axis.get_yticklabels()[1].get_text() == "class 1 (5)"
    assert f"accuracy {100 * scores.accuracy:.2f} %" in axis.get_title()
    assert len(per_class.axes[0].lines) == 2
    confusion.savefig(tmp_path / "a.png")
    per_class.savefig(tmp_path / "b.png")
    assert_picture(tmp_path / "a.png")
    assert_picture(tmp_path / "b.png")


def test_learning_curve_with_and_without_validation(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr("eqgraph.train.points.report.save_figure", lambda figure, path: figures.append(figure))
    columns = (*COLUMNS, "train_accuracy", "valid_accuracy", "valid_mean_class_accuracy")
    rows = [dict.fromkeys(columns, 0.5 / epoch) | {"epoch": epoch} for epoch in (1, 2, 3)]
    plot_points_learning_curve("", rows)
    plot_points_learning_curve("", [row | {"valid_loss": np.nan, "valid_accuracy": np.nan} for row in rows])
    plot_points_learning_curve("", [row | {"valid_instance_iou": 0.5} for row in rows])
    assert [len(figure.axes) for figure in figures] == [3, 3, 4]
    assert [len(figure.axes[1].lines) for figure in figures] == [2, 1, 2]
    assert figures[0].axes[1].get_yscale() == "linear"


def test_tables(tmp_path):
    scores = scores_of(3)
    assert score_table({"test": scores}).rows == [("test", "50.00", "50.00", "0", "10")]
    table = class_table({"test": scores}, ["a", "b", "c"])
    assert table.rows == [("a", "- of 0"), ("b", "0.00 of 5"), ("c", "100.00 of 5")]
    write_scores(tmp_path / "scores.csv", {"test": scores}, ["a", "b", "c"])
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert lines[0] == "set,quantity,class,value,count"
    assert lines[1] == "test,accuracy (%),all,50.0,10"
    few = evaluation_tables(scores, ["a", "b", "c"], "test")[2]
    assert few.rows[1] == ("b", "0", "0", "5")
    many = evaluation_tables(scores_of(40), [f"c{number}" for number in range(40)], "test")[2]
    assert many.rows == [("c1", "c2", "5 of 5")]


def test_tables_of_parts():
    scores = PartScores([[0, 1]], 2)
    assert class_table({"test": scores}, ["a", "b"]).title == "Intersection over union of classes (%)"
    assert score_table({"test": scores}).header[-1] == "points"
