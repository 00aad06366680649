"""`eqgraph check`: table, exit codes, JSON and page; `eqgraph train` refuses what the check finds."""

import json
import re
from html.parser import HTMLParser

import ase.db
import ase.io
import pytest
import yaml
from check_data import keep, molecules

from eqgraph.cli import main


@pytest.fixture
def files(tmp_path, methanol):
    ase.io.write(tmp_path / "good.xyz", [keep(atoms) for atoms in methanol])
    ase.io.write(tmp_path / "bad.xyz", [keep(atoms, forces=-1) for atoms in molecules(seed=1)])
    return tmp_path


def test_table_and_exit_codes(files, capsys):
    assert main(["check", str(files / "good.xyz")]) == 0
    assert "Check: 0 errors, 0 warnings" in capsys.readouterr().out
    assert main(["check", str(files / "good.xyz"), str(files / "bad.xyz")]) == 1
    printed = " ".join(re.sub("[│ ]+", " ", capsys.readouterr().out).split())
    assert printed.index("error") < printed.index("info")
    assert "wrong sign" in printed
    assert main(["check", str(files / "nothing.xyz")]) == 2
    assert "which does not exist" in capsys.readouterr().err
    assert main(["check", str(files / "good.xyz"), "--html", str(files / "good.xyz")]) == 2
    assert "Expected another file for the report" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    assert "example:\n  eqgraph check" in capsys.readouterr().out


def test_json(files, capsys):
    assert main(["check", str(files / "bad.xyz"), "--json", "-"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["exit_code"] == 1
    assert content["findings"][0]["check"] == "forces against energies"
    assert content["findings"][0]["numbers"]["slope"] == pytest.approx(-1, abs=0.1)
    assert main(["check", str(files / "good.xyz"), "--json", str(files / "good.json")]) == 0
    assert json.loads((files / "good.json").read_text())["exit_code"] == 0


def test_page_escapes_what_comes_from_data(files, methanol):
    structures = [keep(atoms) for atoms in methanol]
    structures[0].info["<script>alert(1)</script>"] = 1.0
    path = files / "a$<b>.db"
    with ase.db.connect(path) as database:
        for atoms in structures:
            database.write(atoms, data={"<script>": 1})
    assert main(["check", str(path), str(files / "good.xyz"), "--html", str(files / "page.html")]) == 0
    text = (files / "page.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "a$&lt;b&gt;.db" in text
    assert text.count("data:image/png;base64,") == 5
    tags = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.extend(value for name, value in attrs if name in ("src", "href"))

    Tags().feed(text)
    assert all(tag.startswith("data:") for tag in tags), "nothing is fetched"


def test_training_refuses_forces_of_the_wrong_sign(files, capsys):
    model = {"num_layers": 1, "num_features": 4, "lmax": 1, "num_radial": 4, "radial_hidden": [8], "cutoff": 4.0}
    raw = {
        "data": {"train": "bad.xyz", "valid": 5},
        "model": model,
        "training": {"output": "run", "max_epochs": 1, "threads": 1, "device": "cpu"},
    }
    (files / "a.yaml").write_text(yaml.safe_dump(raw))
    assert main(["train", str(files / "a.yaml")]) == 2
    printed = capsys.readouterr().err
    assert "error: data.train: forces against energies: Expected energies to rise" in printed
    assert "training.check=false" in printed
    assert not (files / "run").exists()
    assert main(["train", str(files / "a.yaml"), "training.check=false"]) == 0
