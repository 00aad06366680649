"""`eqgraph train`, `eval` and `select` as they are typed."""

import json
import shutil

import ase.io
import numpy as np
import pytest
from squares import squares

from eqgraph.cli import main
from eqgraph.models import load_potential
from eqgraph.uncertainty import TrainedRange, last_layer_of


def test_training_leaves_uncertainty_and_range(run_of_seeds):
    for seed in range(2):
        path = run_of_seeds / f"seed_{seed}/model.eqg"
        assert last_layer_of(path).num_features == 4
        trained = TrainedRange.of_header(load_potential(path)[1])
        assert trained.as_metadata()["neighbors"] == {"H": 3, "O": 3}


def test_eval_writes_and_prints_uncertainties(run_of_seeds, capsys):
    pool = run_of_seeds.parent / "pool.xyz"
    model = str(run_of_seeds / "seed_0/model.eqg")
    assert main(["eval", model, str(pool), "--device", "cpu", "--output", "a.xyz"]) == 0
    printed = capsys.readouterr().out
    for words in ("Predicted uncertainty", "rank correlation", "Uncertainty: last layer, calibrated in validation"):
        assert words in printed
    frames = ase.io.read("a.xyz", ":")
    assert all(frame.info["pred_energy_uncertainty"] > 0 for frame in frames)
    arguments = ["eval", model, str(pool), "--device", "cpu", "--committee", str(run_of_seeds), "--output", "b.xyz"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "Uncertainty: committee of 2 models, calibrated in validation" in printed
    assert "│ forces" in printed.partition("Predicted uncertainty")[2]
    frames = ase.io.read("b.xyz", ":")
    assert frames[0].arrays["pred_forces_uncertainty"].shape == (4, 3)
    old = str(run_of_seeds.parent / "old.eqg")
    assert main(["eval", old, str(pool), "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "Uncertainty: none in the model file" in printed
    assert "Predicted uncertainty" not in printed


def test_eval_warns_once_of_each_pair(run_of_seeds, tmp_path, capsys):
    ase.io.write(tmp_path / "close.xyz", squares(4, scale=0.6))
    assert main(["eval", str(run_of_seeds / "seed_0/model.eqg"), "close.xyz", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("warning: close.xyz, frame 0: Expected a structure like those") >= 1
    assert printed.count("came H-O at") == 1


def test_select_writes_the_chosen_and_says_why(run_of_seeds, tmp_path, capsys):
    pool = run_of_seeds.parent / "pool.xyz"
    arguments = ["select", str(pool), "-n", "8", "--device", "cpu"]
    model = ["--model", str(run_of_seeds / "seed_0/model.eqg")]
    assert main([*arguments, *model, "-o", "chosen.xyz", "--json", "why.json"]) == 0
    printed = capsys.readouterr().out
    for words in ("Chosen by the uncertainty of the energy per atom", "σ given those above", "pool, mean"):
        assert words in printed
    why = json.loads((tmp_path / "why.json").read_text())
    frames, structures = ase.io.read("chosen.xyz", ":"), ase.io.read(pool, ":")
    assert len(frames) == len(why["chosen"]) == 8
    for frame, chosen in zip(frames, why["chosen"], strict=True):
        np.testing.assert_allclose(frame.positions, structures[chosen["frame"]].positions, atol=1e-7)
    assert why["chosen"][0]["rank"] == 1
    assert main([*arguments, "--committee", str(run_of_seeds), "-o", "c.xyz", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["quantity"] == "forces"
    assert main([*arguments, *model, "--random", "--seed", "3", "-o", "r.xyz"]) == 0
    assert len(ase.io.read("r.xyz", ":")) == 8


def test_select_leaves_out_what_is_known(run_of_seeds, tmp_path, capsys):
    pool = run_of_seeds.parent / "pool.xyz"
    structures = ase.io.read(pool, ":")
    ase.io.write("known.xyz", structures[:27])
    command = ["select", str(pool), "-n", "10", "--model", str(run_of_seeds / "seed_0/model.eqg"), "--known"]
    assert main([*command, "known.xyz", "-o", "chosen.xyz", "--device", "cpu", "--json", "why.json"]) == 0
    assert sorted(each["frame"] for each in json.loads((tmp_path / "why.json").read_text())["chosen"]) == [27, 28, 29]
    assert "chose 3 of 10: there are no more structures that differ" in capsys.readouterr().out
    assert main([*command, str(pool), "-o", "chosen.xyz", "--device", "cpu"]) == 2
    assert "that are not among --known, came none" in capsys.readouterr().err


def test_select_does_not_need_labels(run_of_seeds, tmp_path):
    bare = [atoms.copy() for atoms in squares(10, seed=9)]
    ase.io.write(tmp_path / "bare.xyz", bare)
    model = ["--model", str(run_of_seeds / "seed_0/model.eqg")]
    assert main(["select", "bare.xyz", "-n", "3", *model, "-o", "c.xyz", "--device", "cpu"]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-n", "3", "-o", "c.xyz"], "Expected --model or --committee, came neither"),
        (["-n", "31", "-o", "c.xyz", "--model", "MODEL"], "between 1 and 30 structures, as many as there are, came 31"),
        (["-n", "3", "-o", "pool.xyz", "--model", "MODEL"], "Expected another file for --output than those that are"),
        (["-n", "3", "-o", "c.xyz", "--json", "pool.xyz", "--model", "MODEL"], "Expected another file for --json"),
        (
            ["-n", "3", "-o", "c.xyz", "--json", "c.xyz", "--model", "MODEL"],
            "Expected different files for --output and",
        ),
        (["-n", "3", "-o", "c.xyz", "--model", "OLD"], "came a model file without uncertainty"),
        (["-n", "3", "-o", "c.xyz", "--model", "MODEL", "--known", "cu.xyz"], "select --known: expected only elements"),
    ],
)
def test_select_says_what_is_wrong(run_of_seeds, tmp_path, capsys, options, message):
    shutil.copy(run_of_seeds.parent / "pool.xyz", tmp_path)
    ase.io.write(tmp_path / "cu.xyz", ase.Atoms("Cu2", [(0, 0, 0), (0, 0, 2.5)]))
    places = {"MODEL": str(run_of_seeds / "seed_0/model.eqg"), "OLD": str(run_of_seeds.parent / "old.eqg")}
    assert main(["select", "pool.xyz", *[places.get(word, word) for word in options], "--device", "cpu"]) == 2
    assert message in capsys.readouterr().err
