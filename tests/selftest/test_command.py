"""`eqgraph selftest`: table, exit codes, JSON."""

import json
import re

import ase.io
import pytest
import torch
from ase.build import molecule
from broken_networks import correct_potential

from eqgraph.check import progress
from eqgraph.cli import main
from eqgraph.models import save_potential
from eqgraph.nn import PolynomialCutoff

QUICK = ["--device", "cpu", "--md-steps", "10"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """model.eqg and [red]water.xyz, whose name is no markup."""
    path = tmp_path_factory.mktemp("selftest")
    torch.manual_seed(0)
    save_potential(path / "model.eqg", correct_potential())
    ase.io.write(path / "[red]water.xyz", [molecule("CH4"), molecule("H2O")], format="extxyz")
    return path


def test_table_and_json_of_a_structure(files, capsys, monkeypatch):
    monkeypatch.setattr(progress, "_QUIET_SECONDS", 0.0)
    arguments = ["selftest", str(files / "model.eqg"), f"{files}/[red]water.xyz@1", *QUICK]
    assert main([*arguments, "--json", str(files / "a.json")]) == 0
    printed = capsys.readouterr()
    assert "model.eqg in float32 on [red]water.xyz, frame 1 (H2O)" in printed.out
    assert "All tests passed." in printed.out
    assert "made of the model's species" not in printed.out
    assert re.search(r"rotation +│ +\w+ \d\.\de-\d\d eV\S* +│ +≤ \de-\d\d +│ pass", printed.out)
    assert "backend" in printed.err, "progress"
    report = json.loads((files / "a.json").read_text())
    assert report["exit_code"] == 0
    assert (report["model"], report["dtype"]) == ("model.eqg", "float32")
    (structure,) = report["structures"]
    assert (structure["formula"], structure["made"]) == ("H2O", False)
    tests = {test["test"]: test for test in structure["tests"]}
    assert tests["stress"] == {
        "test": "stress",
        "verdict": "not applicable",
        "note": "not periodic",
        "measurements": [],
    }
    (first, *_) = tests["inversion"]["measurements"]
    assert first["quantity"] == "energy"
    assert first["unit"] == "eV/atom"
    assert first["passed"] is True


def test_without_a_structure_two_are_made(files, capsys):
    assert main(["selftest", str(files / "model.eqg"), "--dtype", "float64", "--json", "-", *QUICK]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["dtype"] == "float64"
    assert [each["name"] for each in report["structures"]] == ["cluster", "crystal"]
    assert all(each["made"] for each in report["structures"])


def test_a_model_that_breaks_physics_fails(files, capsys, monkeypatch):
    monkeypatch.setattr(PolynomialCutoff, "forward", lambda self, length: torch.ones_like(length))
    assert main(["selftest", str(files / "model.eqg"), f"{files}/[red]water.xyz", *QUICK]) == 1
    printed = capsys.readouterr().out
    assert re.search(r"cutoff .*forces jump .* fail", printed)
    assert "1 test failed." in printed


def test_bad_input_is_one_sentence(files, capsys):
    model, water = str(files / "model.eqg"), f"{files}/[red]water.xyz"
    ase.io.write(files / "ammonia.xyz", molecule("NH3"))
    for arguments, message in (
        ([model, str(files / "ammonia.xyz")], "got N. Train a potential"),
        ([model, f"{water}@7"], "came a file of 2 structures"),
        ([str(files / "none.eqg")], "found none at"),
        ([model, water, "--json", water], "Expected another file for the report"),
        ([model, f"{water}@0", "--json", water], "Expected another file for the report"),
        ([water], "is damaged or of another kind"),
    ):
        assert main(["selftest", *arguments, "--device", "cpu"]) == 2
        printed = capsys.readouterr().err
        assert printed.startswith("error: ")
        assert message in printed
    with pytest.raises(SystemExit):
        main(["selftest", model, "--tolerance-scale", "0"])
    assert "expected a number above 0, came 0" in capsys.readouterr().err
