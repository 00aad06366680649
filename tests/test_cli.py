"""The command line: what it prints, what it returns, what Ctrl-C leaves behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FunctionType

import ase
import ase.io
import numpy as np
import pytest
import yaml
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator

import eqgraph
from eqgraph.cli import main
from eqgraph.models import load_potential


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def make_folder(path: Path) -> Path:
    """A config in configs/, its data in data/."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(12):
        corners = 1.2 * np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], dtype=float)
        atoms = ase.Atoms("H2O2", corners + rng.normal(scale=0.08, size=(4, 3)))
        atoms.calc = MorsePotential(r0=1.2, rho0=3.0)
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        frames.append(atoms)
    (path / "data").mkdir()
    ase.io.write(path / "data" / "train.xyz", frames)
    (path / "configs").mkdir()
    raw = {
        "data": {"train": "../data/train.xyz", "valid": 4},
        "model": {"num_layers": 1, "num_features": 4, "lmax": 1, "num_radial": 4, "radial_hidden": [8], "cutoff": 4.0},
        "training": {"output": "../run", "max_epochs": 2, "threads": 1, "device": "cpu"},
    }
    (path / "configs" / "a.yaml").write_text(yaml.safe_dump(raw))
    return path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "eqgraph.cli", *arguments]


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"eqgraph {eqgraph.__version__}\n"


def test_help_does_not_import_torch():
    code = "import sys, eqgraph.cli as c\ntry: c.main(['train', '--help'])\nexcept SystemExit: pass\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "section.key=value" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


def test_train_then_eval(folder, capsys):
    assert main(["train", str(folder / "configs" / "a.yaml"), "training.max_epochs=3", "training.seed=7"]) == 0
    printed = capsys.readouterr()
    assert "Best model (epoch" in printed.out
    assert "error" not in printed.err
    assert "Tip" not in printed.out + printed.err, "Lightning advertises"
    assert yaml.safe_load((folder / "run" / "config.yaml").read_text())["training"]["seed"] == 7

    model, data, output = (str(folder / name) for name in ("run/model.eqg", "data/train.xyz", "pred.xyz"))
    assert main(["eval", model, data, "--output", output, "--batch-size", "5", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    for words in ("MAE", "RMSE", "meV/atom", "meV/Å", " H ", " O ", "pred.xyz"):
        assert words in printed
    atoms = ase.io.read(output, ":")
    assert len(atoms) == 12
    assert np.isfinite([a.info["pred_energy"] for a in atoms]).all()
    assert atoms[3].arrays["pred_forces"].shape == (4, 3)

    # the resolved config repeats the run
    assert main(["train", str(folder / "run" / "config.yaml"), f"training.output={folder / 'again'}"]) == 0
    first, second = (load_potential(folder / name / "model.eqg")[0].state_dict() for name in ("run", "again"))
    assert all((first[name] == second[name]).all() for name in first)


@pytest.fixture(scope="module")
def shared_run(tmp_path_factory) -> Path:
    """The output of `eqgraph train`, to read only."""
    folder = make_folder(tmp_path_factory.mktemp("shared"))
    assert main(["train", str(folder / "configs" / "a.yaml"), "training.max_epochs=1"]) == 0
    return folder / "run"


@pytest.fixture
def model(shared_run) -> str:
    return str(shared_run / "model.eqg")


def test_eval_of_energies_alone(folder, model, capsys):
    frames = ase.io.read(folder / "data" / "train.xyz", ":")
    for atoms in frames:
        atoms.info["total"] = atoms.calc.results["energy"]
        atoms.calc = None
    ase.io.write(folder / "energies.xyz", frames)
    capsys.readouterr()
    assert main(["eval", model, str(folder / "energies.xyz"), "--energy-key", "total"]) == 0
    assert len(ase.io.read("predictions_energies.xyz", ":")) > 0
    printed = capsys.readouterr().out
    assert "meV/atom" in printed
    assert "meV/Å" not in printed
    assert main(["eval", model, str(folder / "energies.xyz")]) == 2
    assert "total" in capsys.readouterr().err, "lists the keys that are there"


def test_eval_mistakes(folder, model, capsys):
    def error_of(*arguments: str) -> str:
        capsys.readouterr()
        assert main(["eval", *arguments]) == 2
        printed = capsys.readouterr().err
        assert "Traceback" not in printed
        assert printed.startswith("error: ")
        return printed

    data = str(folder / "data" / "train.xyz")
    assert "came --split. Leave --split out" in error_of(model, data, "--split", "test")
    (folder / "foreign.eqg").write_bytes(b"PK\x03\x04 not a model")
    assert "foreign.eqg" in error_of(str(folder / "foreign.eqg"), data)
    assert "nowhere.eqg" in error_of(str(folder / "nowhere.eqg"), data)
    assert "nowhere.xyz" in error_of(model, str(folder / "nowhere.xyz"))
    assert "F_dft" in error_of(model, data, "--forces-key", "F_dft")
    assert "Expected another file for --output than the data" in error_of(model, data, "--output", data)
    assert "Expected another file for --output than the model" in error_of(model, data, "--output", model)
    member = error_of(model, data, "--output", "other.eqg", "--committee", "other.eqg")
    assert "Expected another file for --output than a model of the committee" in member
    assert "folder" in error_of(model, data, "--output", str(folder / "no" / "pred.xyz"))
    assert "cuda:99" in error_of(model, data, "--device", "cuda:99")
    assert "auto, cpu, cuda" in error_of(model, data, "--device", "gpu")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.max_epoch=3"], "unknown key 'training.max_epoch'. Did you mean 'training.max_epochs'?"),
        (["model.cutoff=0"], "'model.cutoff': expected greater than 0, came 0."),
        (["training.batch_size=many"], "'training.batch_size': expected a valid integer, came 'many'."),
        (["data.train=nowhere.xyz"], "nowhere.xyz"),
        (["data.forces_key=F"], "forces"),
        (["max_epochs=3"], "Expected section.key=value, came 'max_epochs=3'."),
    ],
)
def test_train_mistakes(folder, capsys, overrides, message):
    assert main(["train", str(folder / "configs" / "a.yaml"), *overrides]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.startswith("error: ")
    assert "Traceback" not in printed
    assert not (folder / "run").exists()


def test_missing_config_and_debug(folder, capsys):
    assert main(["train", str(folder / "b.yaml")]) == 2
    assert "b.yaml" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError):
        main(["train", "--debug", str(folder / "b.yaml")])


def test_existing_run_is_refused(folder, shared_run, capsys):
    shutil.copytree(shared_run, folder / "run")
    assert main(["train", str(folder / "configs" / "a.yaml")]) == 2
    assert "training.overwrite=true" in capsys.readouterr().err
    assert main(["train", str(folder / "configs" / "a.yaml"), "training.overwrite=true"]) == 0


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (
            TypeError("unsupported operand"),
            " (TypeError; if this does not tell what is wrong, --debug shows where it comes from)",
        ),
        (ValueError("Expected this, came that."), ""),
    ],
)
def test_unexpected_errors_say_how_to_see_where_they_come_from(folder, capsys, monkeypatch, error, hint):
    def fail(*arguments):
        raise error

    fail = FunctionType(
        fail.__code__, {"__name__": "eqgraph.train.fit"}, closure=fail.__closure__
    )  # as if it were there
    monkeypatch.setattr("eqgraph.train.load_config", fail)
    assert main(["train", str(folder / "configs" / "a.yaml")]) == 2
    assert capsys.readouterr().err == f"error: {error}{hint}\n"
    with pytest.raises(type(error)):
        main(["train", "--debug", str(folder / "configs" / "a.yaml")])


def test_errors_of_other_packages_are_unexpected(folder, capsys, monkeypatch):
    monkeypatch.setattr("eqgraph.train.load_config", lambda *arguments: np.zeros(3).reshape(2, 2))
    assert main(["train", str(folder / "configs" / "a.yaml")]) == 2
    assert "cannot reshape array of size 3 into shape (2,2) (ValueError; if " in capsys.readouterr().err


def test_failures_on_the_way_return_1(folder, capsys, monkeypatch):
    from eqgraph.train.potential.module import PotentialModule

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PotentialModule, "training_step", full)
    assert main(["train", str(folder / "configs" / "a.yaml")]) == 1
    assert "No space left on device" in capsys.readouterr().err

    monkeypatch.undo()
    monkeypatch.setattr(
        "eqgraph.train.potential.module.Loss.__call__",
        lambda self, prediction, batch, stage: prediction.energy.sum() * np.nan,
    )
    assert main(["train", str(folder / "configs" / "a.yaml"), "training.overwrite=true"]) == 1
    assert "error: Expected a finite loss, came nan in epoch 1, batch 1." in capsys.readouterr().err


def test_ctrl_c_in_the_middle_of_training(folder):
    """A real signal to a real process: it ends with 130, says where the last good model is, and that model loads."""
    config = str(folder / "configs" / "a.yaml")
    process = subprocess.Popen(
        command("train", config, "training.max_epochs=1000000"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        deadline = time.monotonic() + 240
        while not (folder / "run" / "last.ckpt").exists():
            assert time.monotonic() < deadline, "no checkpoint"
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=240)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert f"Interrupted. The last good model is intact: {folder / 'run' / 'model.eqg'}." in stderr
    assert "Traceback" not in stderr
    load_potential(folder / "run" / "model.eqg")
    assert not list((folder / "run").glob(".*"))
    # and the run goes on from there
    from eqgraph.train.checkpoint import read_checkpoint

    done = read_checkpoint(folder / "run" / "last.ckpt")["run"]["epoch"]
    assert main(["train", "--resume", str(folder / "run"), f"training.max_epochs={done + 1}"]) == 0


@pytest.mark.parametrize(
    ("arguments", "came"), [([], "neither"), (["a.yaml", "--allow-changes"], "--allow-changes alone")]
)
def test_train_needs_a_config_or_a_run(capsys, arguments, came):
    assert main(["train", *arguments]) == 2
    assert f"error: Expected a YAML file or --resume RUN, came {came}." in capsys.readouterr().err


def test_a_refused_resume_prints_each_change(folder, capsys):
    assert main(["train", str(folder / "configs" / "a.yaml")]) == 0
    resume = ["train", "--resume", str(folder / "run"), "loss.energy=2", "training.max_epochs=3"]
    assert main(resume) == 2
    assert "\nerror:   loss.energy: 1.0 -> 2.0\nerror: Set them back" in capsys.readouterr().err
    assert main(["train", "--resume", str(folder / "run"), "--allow-changes", *resume[3:]]) == 0
    assert "Changed: loss.energy: 1.0 -> 2.0" in capsys.readouterr().out


def test_eval_reads_the_labels_that_the_model_was_trained_on(folder, capsys):
    frames = ase.io.read(folder / "data" / "train.xyz", ":")
    renamed = []
    for atoms in frames:
        copy = ase.Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        copy.info["REF_energy"] = atoms.get_potential_energy()
        copy.arrays["REF_forces"] = atoms.get_forces()
        renamed.append(copy)
    data = folder / "renamed.xyz"
    ase.io.write(data, renamed)
    config = str(folder / "configs" / "a.yaml")
    keys = ["data.energy_key=REF_energy", "data.forces_key=REF_forces", "training.max_epochs=1"]
    assert main(["train", config, f"data.train={data}", "data.test={}", "data.valid=3", *keys]) == 0
    capsys.readouterr()
    assert main(["eval", str(folder / "run" / "model.eqg"), str(data)]) == 0
    assert "meV/Å" in capsys.readouterr().out


@pytest.fixture(scope="module")
def clouds(tmp_path_factory) -> Path:
    """A folder of clouds and a config that trains on them."""
    folder = tmp_path_factory.mktemp("clouds")
    rng = np.random.default_rng(0)
    for name, number in (("train", 16), ("test", 8)):
        label = np.arange(number) % 2
        points = rng.normal(size=(number, 16, 3)) * np.where(label == 0, 1.0, 0.05)[:, None, None] ** [1, 1, 0]
        np.savez(folder / f"{name}.npz", points=points, label=label, classes=np.array(["ball", "rod"]))
    model = {"num_layers": 1, "num_features": 4, "lmax": 1, "num_radial": 4, "num_neighbors": 6, "head_hidden": [8]}
    raw = {
        "task": "classification",
        "data": {"train": ".", "test": "."},
        "model": {"architecture": "tensor_field_network", **model},
        "training": {"output": "run", "max_epochs": 1, "batch_size": 8, "threads": 1, "device": "cpu"},
    }
    (folder / "a.yaml").write_text(yaml.safe_dump(raw))
    return folder


def test_classification_then_eval(clouds, capsys):
    assert main(["train", str(clouds / "a.yaml"), "training.max_epochs=2"]) == 0
    printed = capsys.readouterr()
    assert "Report: " in printed.out
    assert "error" not in printed.err
    model = str(clouds / "run" / "model.eqg")
    arguments = [model, str(clouds), "--split", "train", "--batch-size", "3", "--device", "cpu"]
    assert main(["eval", *arguments, "--output", str(clouds / "pred.csv")]) == 0
    printed = capsys.readouterr().out
    for words in ("accuracy (%)", "Confusion matrix", "ball", "16", "pred.csv"):
        assert words in printed
    lines = (clouds / "pred.csv").read_text().splitlines()
    assert lines[0] == "name,class,predicted,probability"
    assert len(lines) == 17
    assert {line.split(",")[1] for line in lines[1:]} == {"ball", "rod"}

    def error_of(*arguments: str) -> str:
        assert main(["eval", model, *arguments, "--device", "cpu"]) == 2
        printed = capsys.readouterr().err
        assert printed.startswith("error: ")
        assert "Traceback" not in printed
        assert "--debug" not in printed
        return printed

    assert "came --energy-key. Leave --energy-key out" in error_of(str(clouds), "--energy-key", "E")
    assert "split 'valid'" in error_of(str(clouds), "--split", "valid")
    assert "nowhere" in error_of(str(clouds / "nowhere"))
    np.savez(clouds / "other.npz", points=np.zeros((2, 9, 3)), label=[0, 1], classes=np.array(["rod", "cone"]))
    assert "other.npz': expected only classes that are trained (ball, rod), came cone" in error_of(
        str(clouds / "other.npz")
    )
    features = {"features": np.zeros((2, 9, 1)), "irreps": np.array("1x0e")}
    np.savez(clouds / "other.npz", points=np.zeros((2, 9, 3)), label=[0, 0], classes=np.array(["rod"]), **features)
    assert "expected features of points as in training (''), came '1x0e'" in error_of(str(clouds / "other.npz"))
    (clouds / "other.npz").unlink()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task=clasification", "Did you mean 'classification'?"),
        ("data.num_points=99", "data.train: expected clouds of at least data.num_points = 99 points, came 16"),
        ("data.energy_key=E", "unknown key 'data.energy_key'"),
        ("training.keep=best_valid", "data.valid: expected validation clouds for training.keep: best_valid, came null"),
    ],
)
def test_classification_mistakes(clouds, capsys, override, message):
    assert main(["train", str(clouds / "a.yaml"), override, "training.output=nowhere"]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.startswith("error: ")
    assert not Path("nowhere").exists()


def test_a_missing_package_is_no_mistake_of_ours(folder, capsys, monkeypatch):
    def read(*arguments):
        raise ImportError("Reading 'a.h5' needs h5py, which is not installed.")

    monkeypatch.setattr("eqgraph.train.load_config", read)
    assert main(["train", str(folder / "configs" / "a.yaml")]) == 2
    assert capsys.readouterr().err == "error: Reading 'a.h5' needs h5py, which is not installed.\n"
