"""The page of a potential's training: its numbers, the names in it, and what it says when something is missing."""

import csv
import io
import re
import shutil
from pathlib import Path

import ase.io
import numpy as np
import plotly.graph_objects as go
import pytest
import yaml
from opened_page import open_page
from parsed_page import ParsedPage
from rich.console import Console

from eqgraph.cli import main
from eqgraph.models import load_potential, save_potential
from eqgraph.train import fit, parse_config, report_run
from eqgraph.train.potential.tables import three_digits

HOSTILE = "<script>alert(1)</script>"
KINDS = ["bulk", HOSTILE]


@pytest.fixture(scope="session")
def shared_reported(tmp_path_factory, shared_folder) -> Path:
    """A folder with data whose frames have config_types, and run/, to read only."""
    path = tmp_path_factory.mktemp("reported")
    shutil.copy(shared_folder / "isolated_atoms.xyz", path)
    for name in ("train", "test"):
        frames = ase.io.read(shared_folder / f"{name}.xyz", ":")
        for index, atoms in enumerate(frames):
            atoms.info["config_type"] = KINDS[index % 2]
        ase.io.write(path / f"{name}.xyz", frames)
    raw = {
        "data": {
            "train": str(path / "train.xyz"),
            "valid": 5,
            "test": {HOSTILE: str(path / "test.xyz"), "other": str(path / "test.xyz")},
            "isolated_atoms": str(path / "isolated_atoms.xyz"),
        },
        "model": {"num_layers": 1, "num_features": 4, "lmax": 1, "num_radial": 4, "radial_hidden": [8], "cutoff": 4.0},
        "training": {"output": str(path / "run"), "max_epochs": 3, "threads": 1, "device": "cpu"},
    }
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("plot_parity", "plot_learning_curve"):
            monkeypatch.setattr(f"eqgraph.train.potential.task.{name}", lambda *arguments: None)
        fit(parse_config(raw), Console(file=io.StringIO()))
    return path


@pytest.fixture(scope="session")
def page(shared_reported) -> ParsedPage:
    return ParsedPage(shared_reported / "run" / "report.html")


@pytest.fixture
def reported(shared_reported, tmp_path) -> Path:
    """The same, to change."""
    for file in shared_reported.glob("*.xyz"):
        shutil.copy(file, tmp_path)
    shutil.copytree(shared_reported / "run", tmp_path / "run")
    config = (tmp_path / "run" / "config.yaml").read_text().replace(str(shared_reported), str(tmp_path))
    (tmp_path / "run" / "config.yaml").write_text(config)
    return tmp_path


def without_time(page: ParsedPage) -> dict:
    return {name: rows for name, rows in page.tables.items() if name not in ("Training", "Configuration")}


def errors_csv(path: Path) -> list[list[str]]:
    with (path / "errors.csv").open() as file:
        return [
            [row["structures"], row["quantity"], row["element"], *(three_digits(float(row[key])) for key in ("mae", "rmse"))]
            for row in csv.DictReader(file)
        ]  # fmt: skip


def test_the_page_is_whole_and_loads_nothing(page, shared_reported):
    assert not page.open
    assert all(target.startswith("#") for target in page.loaded)
    assert {"img", "iframe", "link", "form"}.isdisjoint(page.tags)
    assert not any(name.startswith("on") for name in page.attributes)
    assert len([attributes for attributes, _ in page.scripts if not attributes]) == 2
    assert HOSTILE in page.text
    for heading in (
        "Errors",
        "Parity",
        "Learning curves",
        "Errors by element",
        "Errors by configuration type",
        "Worst frames",
        "Uncertainty",
        "Dimer curves",
        "Timing",
        "Training",
        "Model",
        "Configuration",
    ):
        assert heading in page.headings
    assert (shared_reported / "run" / "report.html").stat().st_size < 8_000_000


def test_tables_have_the_numbers_of_errors_csv(page, shared_reported):
    _, *rows = page.tables["Errors"]
    assert [row[:5] for row in rows] == errors_csv(shared_reported / "run")


def test_every_chart_is_one_of_plotly(page):
    """Plotly itself says whether it knows all keys and values."""
    assert len(page.charts) == 8 + 1 + 1 + 4 + 3 + 1
    for chart in page.charts:
        go.Figure(chart)


def test_points_name_their_frames(page, shared_reported):
    frames = ase.io.read(shared_reported / "test.xyz", ":")
    forces = [text for text in page.hover_texts if text.startswith("test.xyz") and "atom" in text]
    components = 3 * sum(map(len, frames))
    assert len(forces) == 2 * 2 * components, "two panels, two sets of this file"
    escaped = HOSTILE.replace("<", "&lt;").replace(">", "&gt;")
    for text in forces:
        frame, atom, symbol = re.search(r"frame (\d+)<br>.*atom (\d+) \((\w+)\), [xyz]$", text).groups()
        assert frames[int(frame)].symbols[int(atom)] == symbol
        assert ("bulk" if int(frame) % 2 == 0 else escaped) in text
    assert not any("<script" in text for text in page.hover_texts)


def test_points_are_predictions_of_their_frames(shared_reported, page):
    """The force component that a hovering text names is the one that is drawn."""
    from base64 import b64decode

    frames = ase.io.read(shared_reported / "test.xyz", ":")
    chart = page.charts[5]
    for trace in chart["data"][::2]:
        values = np.frombuffer(b64decode(trace["x"]["bdata"]), "f4")
        for value, text in zip(values, trace["text"], strict=True):
            frame, atom, axis = re.search(r"frame (\d+)<br>.*atom (\d+) .*, ([xyz])$", text).groups()
            assert value == pytest.approx(frames[int(frame)].get_forces()[int(atom), "xyz".index(axis)], rel=1e-5)


def test_errors_by_configuration_type_and_worst_frames(page, shared_reported):
    rows = page.tables["Errors by configuration type"][1:]
    assert [row[1] for row in rows if row[0] == "other"] == [HOSTILE, "bulk"]
    assert [row[2] for row in rows if row[0] == "other"] == ["2", "3"]
    predicted = shared_reported / "predicted.xyz"
    arguments = [
        str(shared_reported / "run" / "model.eqg"),
        str(shared_reported / "test.xyz"),
        "--output",
        str(predicted),
    ]
    assert main(["eval", *arguments, "--device", "cpu"]) == 0
    frames = ase.io.read(predicted, ":")
    errors = [atoms.arrays["pred_forces"] - atoms.get_forces() for atoms in frames]
    bulk = 1000 * np.sqrt(np.mean(np.concatenate([errors[i] for i in (0, 2, 4)]) ** 2))
    assert float(rows[-1][4]) == pytest.approx(bulk, rel=0.01)
    energy = [(atoms.info["pred_energy"] - atoms.get_potential_energy()) / len(atoms) for atoms in frames]
    assert float(rows[-1][3]) == pytest.approx(
        1000 * np.sqrt(np.mean(np.square([energy[i] for i in (0, 2, 4)]))), rel=0.01
    )

    worst = page.tables["other"][1:]
    order = np.argsort([-np.sqrt(np.mean(error**2)) for error in errors])
    assert [row[:2] for row in worst] == [["test.xyz", str(index)] for index in order]
    largest = np.linalg.norm(errors[order[0]], axis=1)
    assert worst[0][7].startswith(f"{largest.argmax()} (")
    assert float(worst[0][6]) == pytest.approx(1000 * largest.max(), rel=0.01)


def test_dimer_curves_are_energies_of_two_atoms(page, shared_reported):
    from base64 import b64decode

    from eqgraph.calculators import EqgraphCalculator

    model = shared_reported / "run" / "model.eqg"
    shifts = load_potential(model)[0].shifts.tolist()
    names = [heading for heading in page.headings if "–" in heading]
    assert names == ["H–H", "H–O", "O–O"]
    trace = next(chart for chart in page.charts if chart["data"][0].get("name") == "H–O")["data"][0]
    x, y = (np.frombuffer(b64decode(trace[key]["bdata"]), "f4") for key in ("x", "y"))
    atoms = ase.Atoms("HO", [(0, 0, 0), (0, 0, float(x[40]))], calculator=EqgraphCalculator(model))
    assert y[40] == pytest.approx(atoms.get_potential_energy() - sum(shifts), abs=1e-3)
    text = re.findall(r"Shortest trained distance: ([\d.]+) Å", page.text)
    assert len(text) == 3
    assert all(0.8 < float(number) < 1.8 for number in text)


def test_the_page_is_the_same_again(reported, page):
    assert main(["report", str(reported / "run"), "-o", str(reported / "again.html"), "--device", "cpu"]) == 0
    again = ParsedPage(reported / "again.html")
    assert without_time(again).keys() == without_time(page).keys()
    for name, rows in without_time(page).items():
        assert again.tables[name] == rows, name
    first, second = ({row[0]: row[1] for row in each.tables["Training"]} for each in (page, again))
    assert first.keys() - second.keys() == {"device", "backend"}
    assert first["structures"] == second["structures"]
    assert len(again.charts) == len(page.charts)


def test_what_is_missing_is_named(reported, page, capsys):
    (reported / "test.xyz").unlink()
    shutil.copy(reported / "run" / "errors.csv", reported / "before.csv")
    assert main(["report", str(reported / "run"), "--device", "cpu"]) == 0
    partly = ParsedPage(reported / "run" / "report.html")
    assert "The test set other is left out: " in partly.text
    assert {row[0] for row in partly.tables["Errors"][1:]} == {"train", "valid"}

    (reported / "train.xyz").rename(reported / "moved.xyz")
    assert main(["report", str(reported / "run"), "--device", "cpu"]) == 0
    without = ParsedPage(reported / "run" / "report.html")
    assert "The data cannot be read, so nothing is predicted" in without.text
    assert "train.xyz" in without.text
    assert [row[:5] for row in without.tables["Errors"][1:]] == errors_csv(reported / "run")
    assert "Dimer curves" in without.headings, "the model alone is enough"
    assert "Parity" not in without.headings
    assert "The data cannot be read" in capsys.readouterr().out
    assert (reported / "before.csv").read_bytes() == (reported / "run" / "errors.csv").read_bytes()


def test_changed_data_are_noticed(reported):
    frames = ase.io.read(reported / "train.xyz", ":")
    frames[3].positions += 0.01
    frames[3].calc.atoms = frames[3].copy()
    ase.io.write(reported / "train.xyz", frames)
    report_run(reported / "run", device="cpu", console=Console(file=io.StringIO()))
    assert "data have changed since the training: their hash was" in ParsedPage(reported / "run" / "report.html").text


def test_data_that_do_not_fit_the_model_any_more(reported):
    """A new element: what the training wrote is shown, and why no more."""
    frames = ase.io.read(reported / "train.xyz", ":")
    for atoms in frames:
        atoms.symbols[0] = "N"
    ase.io.write(reported / "train.xyz", frames)
    report_run(reported / "run", device="cpu", console=Console(file=io.StringIO()))
    page = ParsedPage(reported / "run" / "report.html")
    assert "so nothing is predicted" in page.text
    assert [row[:5] for row in page.tables["Errors"][1:]] == errors_csv(reported / "run")


def test_predictions_that_are_no_numbers(reported):
    """One overflow does not cost the page."""
    model = reported / "run" / "model.eqg"
    potential, header = load_potential(model)
    next(potential.network.parameters()).data.fill_(np.nan)
    save_potential(model, potential, header["metadata"])
    report_run(reported / "run", device="cpu", console=Console(file=io.StringIO()))
    page = ParsedPage(reported / "run" / "report.html")
    assert {"Errors", "Worst frames"} <= set(page.headings)


def test_a_run_that_is_not_over(reported):
    (reported / "run" / "errors.csv").unlink()
    (reported / "run" / "report.html").unlink()
    console = Console(file=io.StringIO())
    report_run(reported / "run", device="cpu", console=console)
    assert "This run is not over" in console.file.getvalue()
    (reported / "run" / "model.eqg").unlink()
    report_run(reported / "run", device="cpu", console=console)
    early = ParsedPage(reported / "run" / "report.html")
    assert "There is no model.eqg yet" in early.text
    assert len(early.charts) == 2, "learning curves and timing"
    (reported / "run" / "metrics.csv").unlink()
    with pytest.raises(ValueError, match=r"Expected a run with an epoch that is over, came .* with neither rows"):
        report_run(reported / "run", device="cpu", console=console)


def test_a_config_of_another_version(reported):
    raw = yaml.safe_load((reported / "run" / "config.yaml").read_text())
    raw["training"]["unheard_of"] = 1
    (reported / "run" / "config.yaml").write_text(yaml.safe_dump(raw))
    report_run(reported / "run", device="cpu", console=Console(file=io.StringIO()))
    old = ParsedPage(reported / "run" / "report.html")
    assert "This version does not read config.yaml" in old.text
    assert "unknown key 'training.unheard_of'" in old.text
    assert [row[:5] for row in old.tables["Errors"][1:]] == errors_csv(reported / "run")


def test_what_is_no_run(tmp_path, capsys):
    for path, said in ((tmp_path / "nowhere", "no such directory"), (tmp_path, "no config.yaml in it")):
        assert main(["report", str(path)]) == 2
        assert said in capsys.readouterr().err
    assert main(["report", str(tmp_path), "-o", "model.eqg"]) == 2
    assert "Expected a name that ends with .html" in capsys.readouterr().err
    (tmp_path / "config.yaml").write_text("task: cooking\n")
    assert main(["report", str(tmp_path)]) == 2
    assert "Expected a task among potential" in capsys.readouterr().err
    (tmp_path / "config.yaml").write_text("task: potential\n")
    (tmp_path / "metrics.csv").write_text("epoch,step\n1,x\n")
    assert main(["report", str(tmp_path)]) == 2
    assert "Expected a table of numbers" in capsys.readouterr().err


@pytest.mark.browser
def test_a_browser_draws_all_charts(shared_reported, page, tmp_path):
    opened = open_page(shared_reported / "run" / "report.html", tmp_path / "profile", tmp_path / "page.png")
    assert not opened.console, "no errors, nothing refused"
    assert len(re.findall(r'class="plot-container', opened.dom)) == len(page.charts)
    assert "could not be drawn" not in opened.dom
    shown = 4000  # points of forces, in two panels, are below the limit
    drawn = opened.dom.count('class="point"')
    points = sum(
        len(trace["text"])
        for chart in page.charts
        for trace in chart["data"]
        if trace.get("mode") == "markers" and len(trace["text"]) < shown
    )
    assert drawn >= points
    assert (tmp_path / "page.png").stat().st_size > 30_000
