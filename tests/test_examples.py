"""Every example runs, on less than it asks for by default."""

import contextlib
import csv
import re
import runpy
import shutil
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
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
        points, label = rng.normal(size=(number, 220, 3)), np.arange(number) % 2
        points[label == 1, :, 2] = 0
        np.savez(tmp_path / f"{split}.npz", points=points, label=label, classes=np.array(["ball", "disk"]))
    quick = [
        f"data.train={tmp_path}",
        "data.test={}",
        f"data.test.test={tmp_path}",
        "data.valid=null",
        "data.classes=null",
        "data.num_points=200",
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


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory) -> Path:
    config = {"num_layers": 1, "num_features": 4, "radial_hidden": [8], "lmax": 1}
    potential = build_potential("nequip", config, [1, 6, 8], 3.0, [-13.0, -1030.0, -2040.0], [0.1] * 3, 8.0)
    path = tmp_path_factory.mktemp("model") / "model.eqg"
    save_potential(path, potential)
    return path


def example(name: str, calculator=None):
    """The function `run` of an example; with a calculator of ASE's whose numbers are known, if one is given."""
    run = runpy.run_path(str(ROOT / "examples" / f"{name}.py"))["run"]
    if calculator is not None:
        run.__globals__["EqgraphCalculator"] = lambda model, **options: calculator
    return run


@pytest.fixture
def copper(tmp_path) -> Path:
    ase.io.write(tmp_path / "copper.xyz", bulk("Cu", a=3.59))
    return tmp_path / "copper.xyz"


def test_geometry_optimization(tiny_model, tmp_path, capsys):
    model = Path(shutil.copy(tiny_model, tmp_path))
    start = ROOT / "datasets" / "ethanol" / "test_300K.xyz"
    atoms = example("geometry_optimization")(model, start, fmax=0.05, cell=False, max_steps=100)
    assert np.linalg.norm(atoms.get_forces(), axis=1).max() < 0.05
    energies = [frame.get_potential_energy() for frame in ase.io.read(tmp_path / "optimization.xyz", ":")]
    assert energies[-1] < energies[0]
    assert "\nconverged" in "\n" + capsys.readouterr().out
    assert imread(tmp_path / "optimization.png").std() > 0.01


def test_geometry_optimization_of_a_cell(tmp_path):
    ase.io.write(tmp_path / "copper.xyz", bulk("Cu", a=3.4))
    run = example("geometry_optimization", EMT())
    atoms = run(tmp_path / "model.eqg", tmp_path / "copper.xyz", fmax=0.001, cell=True, max_steps=100)
    assert atoms.get_volume() == pytest.approx(3.59**3 / 4, rel=0.01)
    with pytest.raises(SystemExit, match="periodic in all directions for --cell, got pbc="):
        run(tmp_path / "model.eqg", ROOT / "datasets" / "ethanol" / "test_300K.xyz", 0.1, True, 1)


def test_equation_of_state(copper, tmp_path, capsys):
    run = example("equation_of_state", EMT())
    volume, _, modulus = run(tmp_path / "model.eqg", copper, width=0.06, points=7, fixed=True, fmax=0.01)
    assert volume == pytest.approx(3.59**3 / 4, rel=0.01)
    assert modulus == pytest.approx(134, abs=3)  # of EMT, according to the tutorials of ASE
    assert "bulk modulus" in capsys.readouterr().out
    table = np.loadtxt(tmp_path / "eos.csv", delimiter=",")
    slope = -np.gradient(table[:, 1], table[:, 0]) * 160.21766
    np.testing.assert_allclose(table[1:-1, 2], slope[1:-1], atol=0.3)
    assert imread(tmp_path / "eos.png").std() > 0.01
    ase.io.write(tmp_path / "wide.xyz", bulk("Cu", a=4.0))
    with pytest.raises(SystemExit, match="Expected the minimum between"):
        run(tmp_path / "model.eqg", tmp_path / "wide.xyz", 0.02, 5, True, 0.01)


def test_equation_of_state_of_a_model(tiny_model, tmp_path):
    model = Path(shutil.copy(tiny_model, tmp_path))
    ase.io.write(tmp_path / "diamond.xyz", bulk("C", a=3.57))
    with contextlib.suppress(SystemExit):  # weights are random: there may be no minimum
        example("equation_of_state")(model, tmp_path / "diamond.xyz", width=0.3, points=5, fixed=False, fmax=0.05)


def test_phonons(tmp_path, capsys):
    pytest.importorskip("phonopy")
    ase.io.write(tmp_path / "copper.xyz", bulk("Cu", a=3.59))
    run = example("phonons", EMT())
    at_gamma = run(tmp_path / "model.eqg", tmp_path / "copper.xyz", length=7.0, displacement=0.01, mesh=10.0)
    np.testing.assert_allclose(at_gamma, 0, atol=1e-3)
    highest = float(re.search(r"highest +([\d.]+) THz", capsys.readouterr().out)[1])
    assert 6 < highest < 9  # measured: 7.5 THz
    assert imread(tmp_path / "phonons.png").std() > 0.01


def test_phonons_of_a_model(tiny_model, tmp_path):
    pytest.importorskip("phonopy")
    model = Path(shutil.copy(tiny_model, tmp_path))
    ase.io.write(tmp_path / "diamond.xyz", bulk("C", a=3.57))
    at_gamma = example("phonons")(model, tmp_path / "diamond.xyz", length=4.0, displacement=0.01, mesh=10.0)
    np.testing.assert_allclose(np.sort(np.abs(at_gamma))[:3], 0, atol=1e-2)
