"""The page of a training on point clouds: scores, confusions and the drawings of what is confused."""

import copy
import csv
import io
import re
import shutil
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from opened_page import open_page
from parsed_page import ParsedPage
from rich.console import Console

from eqgraph.cli import main
from eqgraph.train import fit, parse_config, report_run
from eqgraph.train.points.cloud_drawing import draw_cloud
from eqgraph.train.seeds_page import write_seeds_page


@pytest.fixture(scope="module")
def shared_reported(shared_raw, tmp_path_factory) -> Path:
    """The directory of a run, to read only."""
    raw = copy.deepcopy(shared_raw)
    raw["training"] |= {"output": str(tmp_path_factory.mktemp("reported") / "run"), "max_epochs": 1}
    raw["data"] |= {"valid": 6}
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("plot_confusion", "plot_per_class", "plot_points_learning_curve"):
            monkeypatch.setattr(f"eqgraph.train.points.task.{name}", lambda *arguments: None)
        return fit(parse_config(raw), Console(file=io.StringIO())).output


@pytest.fixture(scope="module")
def page(shared_reported) -> ParsedPage:
    return ParsedPage(shared_reported / "report.html")


def scores(path: Path) -> dict[tuple[str, str, str], float]:
    with (path / "scores.csv").open() as file:
        return {(row["set"], row["quantity"], row["class"]): float(row["value"]) for row in csv.DictReader(file)}


def test_the_page_is_whole_and_loads_nothing(page):
    assert not page.open
    assert all(target.startswith("#") for target in page.loaded)
    for heading in ("Accuracy", "Confusion matrix", "Learning curves", "Classes", "Most confused shapes", "Timing"):
        assert heading in page.headings
    for chart in page.charts:
        go.Figure(chart)


def test_tables_and_charts_have_the_numbers_of_scores_csv(page, shared_reported):
    stored = scores(shared_reported)
    _, *rows = page.tables["Accuracy"]
    assert len(rows) == 2
    for row in rows:
        assert row[1] == f"{stored[row[0], 'accuracy (%)', 'all']:.2f}"
    for name, *values in page.tables["Accuracy of classes (%)"][1:]:
        for each, value in zip(rows, values, strict=True):
            assert value.startswith(f"{stored[each[0], 'accuracy (%)', name]:.2f} of ")
    matrix = np.array(page.charts[1]["data"][0]["z"])
    np.testing.assert_allclose(matrix.sum(1), 100, atol=0.05)
    for index, name in enumerate(("ball", "cube", "rod")):
        assert matrix[index, index] == pytest.approx(stored[rows[1][0], "accuracy (%)", name], abs=0.01)


def test_confused_clouds_are_those_that_eval_gets_wrong(page, shared_reported, shared_raw, tmp_path):
    (data,) = (
        shared_raw["data"]["test"].values()
        if isinstance(shared_raw["data"]["test"], dict)
        else [shared_raw["data"]["test"]]
    )
    model, output = str(shared_reported / "model.eqg"), str(tmp_path / "p.csv")
    assert main(["eval", model, str(data), "--device", "cpu", "--output", output]) == 0
    with open(output) as file:
        wrong = [row for row in csv.DictReader(file) if row["class"] != row["predicted"]]
    assert wrong, "one epoch is not enough"
    wrong.sort(key=lambda row: -float(row["probability"]))
    shown = page.text.rpartition("Most confused shapes")[2].partition("Timing")[0]
    assert len(re.findall("taken for", shown)) <= 16
    first = wrong[0]
    assert f"{first['class']} taken for {first['predicted']} ({100 * float(first['probability']):.0f} %)" in shown


def test_the_page_is_the_same_again(shared_reported, page, tmp_path):
    report_run(shared_reported, tmp_path / "again.html", "cpu", Console(file=io.StringIO()))
    again = ParsedPage(tmp_path / "again.html")
    for name in ("Accuracy", "Accuracy of classes (%)", "Timing", "Model"):
        assert again.tables[name] == page.tables[name]
    assert [chart["data"][0].get("z") for chart in again.charts] == [chart["data"][0].get("z") for chart in page.charts]


def test_without_data_the_stored_scores_are_shown(shared_reported, tmp_path):
    shutil.copytree(shared_reported, tmp_path / "run")
    config = (tmp_path / "run" / "config.yaml").read_text()
    (tmp_path / "run" / "config.yaml").write_text(re.sub(r"train: .*", "train: /nowhere/at_all", config, count=1))
    report_run(tmp_path / "run", device="cpu", console=Console(file=io.StringIO()))
    without = ParsedPage(tmp_path / "run" / "report.html")
    assert "/nowhere/at_all" in without.text
    stored = scores(shared_reported)
    assert len(without.tables["Accuracy"]) == 1 + len(stored)
    for row in without.tables["Accuracy"][1:]:
        assert float(row[3]) == pytest.approx(stored[tuple(row[:3])], abs=0.01)
    assert "Confusion matrix" not in without.headings


def test_other_classes_than_those_of_the_model(shared_reported, shared_raw, tmp_path):
    shutil.copytree(shared_reported, tmp_path / "run")
    shutil.copytree(shared_raw["data"]["train"], tmp_path / "data")
    for path in (tmp_path / "data").glob("*.npz"):
        content = dict(np.load(path))
        np.savez(path, **content | {"classes": np.array(["zeppelin", *content["classes"][1:]])})
    config = (tmp_path / "run" / "config.yaml").read_text()
    config = config.replace(str(shared_raw["data"]["train"]), str(tmp_path / "data"))
    (tmp_path / "run" / "config.yaml").write_text(config)
    report_run(tmp_path / "run", device="cpu", console=Console(file=io.StringIO()))
    page = ParsedPage(tmp_path / "run" / "report.html")
    assert "so nothing is predicted" in page.text
    assert "Confusion matrix" not in page.headings


def test_a_seed_that_has_only_begun(shared_reported, tmp_path):
    run = tmp_path / "several"
    for index in range(2):
        shutil.copytree(shared_reported, run / f"seed_{index}")
    config = (shared_reported / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("seeds: 1", "seeds: 2"))
    (run / "seed_1" / "model.eqg").unlink()
    (run / "seed_1" / "report.html").unlink()
    (run / "seed_1" / "metrics.csv").write_text((run / "seed_1" / "metrics.csv").read_text().splitlines()[0] + "\n")
    console = Console(file=io.StringIO(), width=200)
    report_run(run, device="cpu", console=console)
    assert "seed_1 has no page: Expected a run with an epoch that is over" in console.file.getvalue()
    assert ParsedPage(run / "report.html").loaded[-1:] == ["seed_0/report.html"]


def test_several_seeds_have_a_page_each_and_one_together(shared_reported, tmp_path):
    run = tmp_path / "several"
    for index in range(2):
        shutil.copytree(shared_reported, run / f"seed_{index}")
        (run / f"seed_{index}" / "report.html").unlink()
    config = (shared_reported / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("seeds: 1", "seeds: 3"))
    assert main(["report", str(run), "--device", "cpu"]) == 0
    together = ParsedPage(run / "report.html")
    assert together.loaded[-2:] == ["seed_0/report.html", "seed_1/report.html"]
    assert "not all seeds are over" in together.text
    assert "Accuracy" in ParsedPage(run / "seed_1" / "report.html").headings
    (run / "seeds.csv").write_text("set,quantity,mean,deviation,seed_0,seed_1\ntest,accuracy (%),51.25,0.5,51,51.5\n")
    from eqgraph.train.output import RunDirectory

    write_seeds_page(tmp_path / "elsewhere.html", RunDirectory(run))
    elsewhere = ParsedPage(tmp_path / "elsewhere.html")
    assert elsewhere.tables["Means and deviations"][1] == ["test", "accuracy (%)", "51.25", "0.5", "51", "51.5"]
    assert elsewhere.loaded[-1] == "several/seed_1/report.html"


def test_wrong_points_are_orange():
    points, wrong = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) < 10
    drawing = draw_cloud(points, wrong)
    paths = re.findall(r"d='([^']*)' stroke='(#\w+)'", drawing)
    number = {color: sum(path.count("h0") for path, of in paths if of == color) for _, color in paths}
    assert number == {"#0072b2": 60, "#d55e00": 20}
    assert draw_cloud(np.zeros((1, 3))).count("h0") == 2


@pytest.mark.browser
def test_a_browser_draws_all_charts(shared_reported, page, tmp_path):
    opened = open_page(shared_reported / "report.html", tmp_path / "profile", tmp_path / "page.png")
    assert not opened.console, "no errors, nothing refused"
    assert len(re.findall(r'class="plot-container', opened.dom)) == len(page.charts)
    assert "could not be drawn" not in opened.dom
    assert "heatmaplayer" in opened.dom
    assert (tmp_path / "page.png").stat().st_size > 30_000
