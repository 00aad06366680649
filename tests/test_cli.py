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
    (folder / "foreign.eqg").write_bytes(b"PK\x03\x04 not a model")
    assert "foreign.eqg" in error_of(str(folder / "foreign.eqg"), data)
    assert "nowhere.eqg" in error_of(str(folder / "nowhere.eqg"), data)
    assert "nowhere.xyz" in error_of(model, str(folder / "nowhere.xyz"))
    assert "F_dft" in error_of(model, data, "--forces-key", "F_dft")
    assert "Expected another file for --output than the data" in error_of(model, data, "--output", data)
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
    from eqgraph.train.module import PotentialModule

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PotentialModule, "training_step", full)
    assert main(["train", str(folder / "configs" / "a.yaml")]) == 1
    assert "No space left on device" in capsys.readouterr().err

    monkeypatch.undo()
    monkeypatch.setattr(
        "eqgraph.train.module.Loss.__call__", lambda self, prediction, batch: prediction.energy.sum() * np.nan
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
        deadline = time.monotonic() + 60
        while not (folder / "run" / "last.ckpt").exists():
            assert time.monotonic() < deadline, "no checkpoint"
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert f"Interrupted. The last good model is intact: {folder / 'run' / 'model.eqg'}." in stderr
    assert "Traceback" not in stderr
    load_potential(folder / "run" / "model.eqg")
    assert not list((folder / "run").glob(".*"))
    # and the run goes on from there
    import torch

    done = torch.load(folder / "run" / "last.ckpt", weights_only=True)["epoch"] + 1
    assert main(["train", config, f"training.max_epochs={done + 1}", "training.resume=true"]) == 0


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
