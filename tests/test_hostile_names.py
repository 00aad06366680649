"""Names that came from data (sets, classes, files) are shown as they are: they leave no directory, run nothing, break nothing."""

import shutil
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
import yaml
from ase.calculators.singlepoint import SinglePointCalculator
from parsed_page import ParsedPage

from eqgraph.cli import main
from eqgraph.train.config import name_in_file

NAMES = [
    "../../escaped",
    "/tmp/escaped",
    "..",
    "a/b\\c",
    "[red]x[/]",
    "[/]",
    "$\\frac",
    "$x$",
    "<script>alert(1)</script>",
    "x" * 300,
    "ü" * 200,
    "line\nbreak",
    "\x1b[2Jcleared",
    "{0}%s",
    "a'b\"c&d",
]


def files_below(path: Path) -> set[str]:
    return {file.relative_to(path).as_posix() for file in path.rglob("*")}


@pytest.mark.parametrize("name", [*NAMES, "a\0b", "\udcff", ".hidden", "CON", " "])
def test_name_in_file_is_one_part_of_a_name(name):
    file = name_in_file(name)
    assert not set(file) & set("/\\\0\n <>:\"'|?*$[]\x1b")
    assert len(f".confusion_{file}.1234567.png".encode()) <= 255
    assert name_in_file("x" * 300) != name_in_file("x" * 299 + "y"), "long names stay different"


def test_sets_of_structures_of_any_name(tmp_path, capsys):
    (tmp_path / "inside").mkdir()
    frames = []
    for i in range(6):
        atoms = ase.Atoms("HO", [(0, 0, 0), (0, 0, 0.9 + 0.02 * i)], info={"config_type": NAMES[i]})
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0 * i, forces=np.eye(3)[:2] * i)
        frames.append(atoms)
    ase.io.write(tmp_path / "a.xyz", frames)
    raw = {
        "data": {
            "train": str(tmp_path / "a.xyz"),
            "valid": 2,
            "test": {name: str(tmp_path / "a.xyz") for name in NAMES[::2]},
        },
        "model": {"num_layers": 1, "num_features": 2, "lmax": 1, "cutoff": 3.0},
        "training": {"output": str(tmp_path / "inside" / "run"), "max_epochs": 1, "threads": 1, "device": "cpu"},
    }
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(raw))
    before = files_below(tmp_path)
    assert main(["train", str(tmp_path / "a.yaml")]) == 0
    new = files_below(tmp_path) - before
    assert all(file.startswith("inside/run") for file in new)
    assert all(file.count("/") <= 2 for file in new)
    assert sum("parity_" in file for file in new) == len(NAMES[::2]) + 2
    printed = capsys.readouterr()
    assert "\x1b[2J" not in printed.out + printed.err
    assert "[red]x[/]" in printed.out
    page = ParsedPage(tmp_path / "inside" / "run" / "report.html")
    assert "<script>alert(1)</script>" in page.text
    assert not any("alert(1)" in script for attributes, script in page.scripts if not attributes)


def test_classes_of_any_name(tmp_path, capsys):
    """The same for a classifier, whose report is HTML."""
    rng = np.random.default_rng(0)
    label = np.arange(2 * len(NAMES)) % len(NAMES)
    for name in ("train", "test"):
        np.savez(
            tmp_path / f"{name}.npz",
            points=rng.normal(size=(len(label), 8, 3)),
            label=label,
            classes=np.array(NAMES),
            name=np.array([NAMES[i] for i in label]),
        )
    raw = {
        "task": "classification",
        "data": {"train": str(tmp_path), "test": {name: str(tmp_path) for name in NAMES[:9:8]}},
        "model": {
            "architecture": "tensor_field_network",
            "num_layers": 1,
            "num_features": 2,
            "lmax": 1,
            "num_neighbors": 4,
        },
        "training": {"output": str(tmp_path / "run"), "max_epochs": 1, "threads": 1, "device": "cpu"},
    }
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(raw))
    before = files_below(tmp_path)
    assert main(["train", str(tmp_path / "a.yaml")]) == 0
    assert all(file.startswith("run") for file in files_below(tmp_path) - before)
    page = ParsedPage(tmp_path / "run" / "report.html")
    assert not any("alert(1)" in script for attributes, script in page.scripts if not attributes)
    assert not any(name.startswith("on") for name in page.attributes)
    assert "<script>alert(1)</script>" in page.text
    model = str(tmp_path / "run" / "model.eqg")
    capsys.readouterr()
    assert main(["eval", model, str(tmp_path), "--device", "cpu", "--output", str(tmp_path / "p.csv")]) == 0
    assert "\x1b[2J" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["[red].xyz", "[link=x].xyz", "a b;$(touch marker).xyz", "ü\n.xyz", "-rf.xyz", "a@1.xyz"]
)
def test_files_of_any_name(name, tmp_path, capsys):
    from eqgraph.models import build_potential, save_potential

    config = {"num_layers": 1, "num_features": 2, "lmax": 1}
    save_potential(tmp_path / "model.eqg", build_potential("nequip", config, [1], 3.0, [0.0], [1.0], 1.0))
    atoms = ase.Atoms("H2", [(0, 0, 0), (0, 0, 0.8)])
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((2, 3)))
    (tmp_path / "data").mkdir()
    ase.io.write(tmp_path / "plain.xyz", atoms)
    shutil.move(tmp_path / "plain.xyz", tmp_path / "data" / name)
    assert main(["eval", str(tmp_path / "model.eqg"), str(tmp_path / "data" / name), "--device", "cpu"]) == 0
    assert files_below(tmp_path) == {"model.eqg", "data", f"data/{name}", f"predictions_{Path(name).stem}.xyz"}
    assert "Predictions: predictions_" in capsys.readouterr().out


def test_file_names_that_are_no_text(tmp_path, capsys):
    """Linux allows any bytes: they reach names of classes, and from there tables and reports."""
    import os

    for number, name in enumerate((b"ball\xff", b"cube")):
        folder = os.path.join(os.fsencode(tmp_path / "clouds"), name)
        try:
            os.makedirs(folder)
        except OSError:
            pytest.skip("this file system allows text only")
        for index in range(3):
            np.save(os.fsdecode(os.path.join(folder, b"%d.npy" % index)), np.random.rand(8, 3) * (1 + number))
    raw = {
        "task": "classification",
        "data": {"train": str(tmp_path / "clouds"), "test": str(tmp_path / "clouds")},
        "model": {
            "architecture": "tensor_field_network",
            "num_layers": 1,
            "num_features": 2,
            "lmax": 1,
            "num_neighbors": 4,
        },
        "training": {"output": str(tmp_path / "run"), "max_epochs": 1, "threads": 1, "device": "cpu"},
    }
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(raw))
    assert main(["train", str(tmp_path / "a.yaml")]) == 0
    assert (tmp_path / "run" / "report.html").read_text(encoding="utf-8").count("ball") > 1
    arguments = ["eval", str(tmp_path / "run" / "model.eqg"), str(tmp_path / "clouds"), "--device", "cpu"]
    assert main([*arguments, "--output", str(tmp_path / "p.csv")]) == 0
