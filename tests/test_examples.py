"""Every example runs, on less than it asks for by default."""

import csv
import runpy
from pathlib import Path

import ase.io
import numpy as np
import pytest
from matplotlib.image import imread

from eqgraph.cli import main
from eqgraph.models import build_potential, save_potential

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path for path in (ROOT / "examples").glob("*.yaml"))
POINTS = [path for path in CONFIGS if path.stem.startswith("classify")]


@pytest.mark.parametrize("config", [path for path in CONFIGS if path not in POINTS], ids=lambda path: path.stem)
def test_configuration_trains_and_its_model_is_evaluated(config, tmp_path, capsys):
    test_set = tmp_path / "test.xyz"
    ase.io.write(test_set, ase.io.read(ROOT / "datasets" / "ethanol" / "test_300K.xyz", ":3"))
    quick = [
        "data.train=" + str(ROOT / "datasets" / "ethanol" / "test_600K.xyz"),
        "data.valid=4",
        f"data.test={test_set}",
        "model.num_features=4",
        "model.num_layers=2",
        "training.batch_size=32",
        "training.max_epochs=2",
        f"training.output={tmp_path / 'run'}",
    ]
    assert main(["train", str(config), *quick]) == 0
    with (tmp_path / "run" / "metrics.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2
    assert main(["eval", str(tmp_path / "run" / "model.eqg"), str(test_set)]) == 0
    assert "meV/Å" in capsys.readouterr().out


@pytest.mark.parametrize("config", POINTS, ids=lambda path: path.stem)
def test_configuration_trains_a_classifier_that_is_evaluated(config, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for split, number in (("train", 20), ("valid", 4), ("test", 4)):
        points, label = rng.normal(size=(number, 140, 3)), np.arange(number) % 2
        points[label == 1, :, 2] = 0
        np.savez(tmp_path / f"{split}.npz", points=points, label=label, classes=np.array(["ball", "disk"]))
    quick = [
        f"data.train={tmp_path}",
        "data.test={}",
        f"data.test.test={tmp_path}",
        "data.valid=null",
        "data.classes=null",
        "data.num_points=130",
        "model.num_features=4",
        "training.batch_size=10",
        "training.max_epochs=2",
        f"training.output={tmp_path / 'run'}",
    ]
    assert main(["train", str(config), *quick]) == 0
    with (tmp_path / "run" / "metrics.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2
    assert main(["eval", str(tmp_path / "run" / "model.eqg"), str(tmp_path)]) == 0
    assert "Confusion matrix" in capsys.readouterr().out


def test_molecular_dynamics(tmp_path, capsys):
    config = {"num_layers": 1, "num_features": 4}
    potential = build_potential("nequip", config, [1, 6, 8], 4.0, [-13.0, -1030.0, -2040.0], [0.1] * 3, 8.0)
    save_potential(tmp_path / "model.eqg", potential)
    example = runpy.run_path(str(ROOT / "examples" / "molecular_dynamics.py"))
    start = ROOT / "datasets" / "ethanol" / "test_300K.xyz"
    drift = example["run"](tmp_path / "model.eqg", start, temperature=300, time_step=0.5, duration=0.05, seed=0)
    assert abs(drift) < 1
    assert "energy drift" in capsys.readouterr().out
    assert len(ase.io.read(tmp_path / "md.xyz", ":")) == 11
    assert imread(tmp_path / "md.png").std() > 0.01
