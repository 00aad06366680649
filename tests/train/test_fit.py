"""A training as a whole: what it leaves on disk, that it repeats itself, and that accidents lose nothing."""

import copy
import csv
import errno
import importlib
import io
import math
import os
import re
import resource
import shutil
from pathlib import Path

import ase
import ase.io
import pytest
import torch
import yaml
from rich.console import Console

from eqgraph.calculators import EqgraphCalculator
from eqgraph.models import load_potential
from eqgraph.train import DivergedError, FitResult, TrainingInterrupted, fit, parse_config, resume
from eqgraph.train.checkpoint import read_checkpoint
from eqgraph.train.potential.module import PotentialModule

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=120)


@pytest.fixture(autouse=True)
def _no_pictures(request, monkeypatch):
    """Plots take longer than these trainings: one test draws them."""
    if request.function is not test_what_a_run_leaves_behind:
        no_pictures(monkeypatch)


def no_pictures(monkeypatch):
    module = importlib.import_module("eqgraph.train.potential.task")  # the attribute of that name is the function
    monkeypatch.setattr(module, "plot_parity", lambda *arguments: None)
    monkeypatch.setattr(module, "plot_learning_curve", lambda *arguments: None)
    monkeypatch.setattr(module.PotentialTask, "write_page", lambda *arguments: None)


@pytest.fixture(scope="module")
def shared_run(shared_raw, tmp_path_factory) -> FitResult:
    """A run of the default test config, to read only."""
    raw = copy.deepcopy(shared_raw)
    with pytest.MonkeyPatch.context() as monkeypatch:
        no_pictures(monkeypatch)
        return run(raw, Console(file=io.StringIO()), output=str(tmp_path_factory.mktemp("shared") / "run"))


@pytest.fixture
def finished(shared_run, raw, folder) -> FitResult:
    """The same run, where `raw` says that it is, to change."""
    shutil.copytree(shared_run.output, folder / "run")
    config = yaml.safe_load((folder / "run" / "config.yaml").read_text())
    config["data"] = parse_config(raw).model_dump(mode="json")["data"]
    (folder / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    return FitResult(folder / "run", folder / "run" / "model.eqg", shared_run.errors, shared_run.history)


def run(raw: dict, console: Console, **training):
    raw["training"].update(training)
    return fit(parse_config(raw), console)


def without_seconds(history: list[dict]) -> list[dict]:
    """What repeats itself, and is equal to itself: no time, no NaN for labels that are not there."""
    return [{k: value for k, value in row.items() if k != "seconds" and not math.isnan(value)} for row in history]


def weights(path) -> dict[str, torch.Tensor]:
    return load_potential(path)[0].state_dict()


def assert_same_weights(first, second):
    first, second = weights(first), weights(second)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_a_run_leaves_behind(raw, folder, console):
    result = run(raw, console, max_epochs=12, batch_size=3)
    names = {path.name for path in result.output.iterdir()}
    assert names == {
        "config.yaml",
        "model.eqg",
        "last.ckpt",
        "previous.ckpt",
        "metrics.csv",
        "errors.csv",
        "learning_curve.png",
        "parity_train.png",
        "parity_valid.png",
        "parity_test.png",
        "report.html",
    }
    for picture in result.output.glob("*.png"):
        content = picture.read_bytes()
        assert content.startswith(PNG)
        assert len(content) > 10_000

    losses = [row["valid_loss"] for row in result.history]
    assert len(losses) == 12
    assert min(losses) < 0.5 * losses[0]
    with (result.output / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["valid_loss"]) for row in rows] == losses
    with (result.output / "errors.csv").open() as file:
        table = list(csv.DictReader(file))
    assert {row["structures"] for row in table} == {"train", "valid", "test"}
    assert {row["element"] for row in table if row["quantity"] == "forces"} == {"all", "H", "O"}

    # the saved model is the one that was validated: its errors are those of the best epoch
    best = min(result.history, key=lambda row: row["valid_loss"])
    assert 1000 * result.errors["valid"].forces.rmse == pytest.approx(best["valid_forces_rmse_meV_per_A"], rel=1e-5)
    _, header = load_potential(result.model)
    metadata = header["metadata"]
    assert metadata["E0s"] == {"H": -13.0, "O": -2040.0}
    assert metadata["units"]["forces"] == "eV/Å"
    assert metadata["validation"]["epoch"] == best["epoch"]
    assert metadata["training"]["training"]["batch_size"] == 3
    assert len(metadata["data_hash"]) == 64

    atoms = ase.io.read(folder / "test.xyz")
    reference = atoms.get_potential_energy()
    atoms.calc = EqgraphCalculator(result.model)
    assert abs(atoms.get_potential_energy() - reference) < 5

    printed = console.file.getvalue()
    for words in (
        "15 training, 5 validation, 5 test (test)",
        "5 test (test), 2 isolated atoms recognized",
        "H -13.0000, O -2040.0000 (energies of 2 isolated atoms",
        "rms of the training forces",
        "3.0 on average",
        "parameters, cutoff 4 Å",
        "float32 network",
        "cpu, 1 thread",
        "forces 15 of 15 training structures",
        "meV/atom",
        "epoch 12/12",
        "Best model (epoch",
    ):
        assert words in printed


def test_same_seed_same_numbers(shared_run, raw, folder, console):
    second = run(raw, console, output=str(folder / "b"))
    other = run(raw, console, output=str(folder / "c"), seed=1)
    assert without_seconds(shared_run.history) == without_seconds(second.history) != without_seconds(other.history)
    assert_same_weights(shared_run.model, second.model)


def test_settings_are_put_back(raw, console):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    run(raw, console, max_epochs=1)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()


def test_float64_stress_and_adamw(raw, folder, console):
    """The other branches, on periodic structures."""
    import numpy as np
    from ase.build import bulk
    from ase.calculators.lj import LennardJones
    from ase.calculators.singlepoint import SinglePointCalculator

    rng = np.random.default_rng(0)
    frames = []
    for _ in range(10):
        atoms = bulk("Ar", "fcc", 5.3, cubic=True)
        atoms.rattle(0.1, rng=rng)
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.01, rc=5.0)
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        frames.append(atoms)
    ase.io.write(folder / "argon.xyz", frames)
    raw["data"] = {"train": str(folder / "argon.xyz"), "valid": 0.2}
    raw["loss"] = {"stress": 10.0}
    raw["optimizer"] = {"name": "adamw", "weight_decay": 1e-3, "clip_gradient": None}
    raw["schedule"] = {"name": "plateau", "patience": 1}
    result = run(raw, console, dtype="float64", max_epochs=2)
    assert result.errors["valid"].stress.count == 18
    best = min(result.history, key=lambda row: row["valid_loss"])
    assert 1000 * result.errors["valid"].stress.rmse == pytest.approx(best["valid_stress_rmse_meV_per_A3"], rel=1e-6)
    with (result.output / "metrics.csv").open() as file:
        assert all(float(row["valid_stress_mae_meV_per_A3"]) > 0 for row in csv.DictReader(file))
    assert load_potential(result.model)[0].dtype == torch.float64


@pytest.mark.parametrize("schedule", ["plateau", "cosine", "constant"])
def test_interrupted_and_resumed_is_uninterrupted(raw, folder, console, monkeypatch, schedule):
    raw["schedule"] = {"name": schedule} | ({"patience": 1, "factor": 0.5} if schedule == "plateau" else {})
    raw["optimizer"] = {"learning_rate": 0.1}  # so large that the plateau comes
    epochs, stop = (6, 3) if schedule == "plateau" else (3, 1)
    whole = run(raw, console, output=str(folder / "whole"), max_epochs=epochs)
    training_step = PotentialModule.training_step

    def interrupt(self, batch, batch_idx):
        if self.current_epoch == stop and batch_idx == 1:
            raise KeyboardInterrupt
        return training_step(self, batch, batch_idx)

    monkeypatch.setattr(PotentialModule, "training_step", interrupt)
    with pytest.raises(
        TrainingInterrupted,
        match=r"The last good model is intact: .*model\.eqg\. The last checkpoint is intact: .*last\.ckpt",
    ):
        run(raw, console, output=str(folder / "parts"), max_epochs=epochs)
    monkeypatch.undo()
    no_pictures(monkeypatch)
    resumed = resume(folder / "parts", console=console)
    assert without_seconds(resumed.history) == without_seconds(whole.history)
    assert_same_weights(resumed.model, whole.model)
    with (resumed.output / "metrics.csv").open() as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(1, epochs + 1))


def test_interrupted_before_the_first_model(raw, console, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(PotentialModule, "training_step", interrupt)
    with pytest.raises(TrainingInterrupted, match="No model had been saved yet"):
        run(raw, console)


@pytest.mark.parametrize("name", ["model.eqg", "last.ckpt"])
def test_full_disk_when_replacing(raw, folder, console, monkeypatch, name):
    """The file that cannot be written is still the old, complete one, and the message says where it is."""
    raw["schedule"] = {"name": "constant"}
    raw["optimizer"] = {"learning_rate": 1e-3}
    replace, kept = os.replace, {}

    def full(source, target):
        if os.path.basename(target) == name and os.path.exists(target):
            kept[name] = Path(target).read_bytes()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"No space left on device.*The last good model is intact: .*model\.eqg"):
        run(raw, console, max_epochs=20)
    output = folder / "run"
    assert (output / name).read_bytes() == kept[name]
    load_potential(output / "model.eqg")
    read_checkpoint(output / "last.ckpt")
    assert not list(output.glob(".*")), "left a temporary file"


def test_full_disk_when_writing(shared_run, raw, folder, console):
    """The operating system itself refuses: files may not grow to the size of a checkpoint."""
    size = shared_run.model.stat().st_size
    assert 2 * size < (shared_run.output / "last.ckpt").stat().st_size
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * size, hard))
    try:
        with pytest.raises(OSError, match=r"File too large.*The last good model is intact: .*model\.eqg\."):
            run(raw, console, output=str(folder / "second"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    load_potential(folder / "second" / "model.eqg")
    assert not (folder / "second" / "last.ckpt").exists()


def test_diverged_training_is_named(raw, console, monkeypatch):
    training_step = PotentialModule.training_step

    def diverge(self, batch, batch_idx):
        if self.current_epoch == 2:
            with torch.no_grad():
                next(self.model.parameters()).fill_(torch.nan)
        return training_step(self, batch, batch_idx)

    monkeypatch.setattr(PotentialModule, "training_step", diverge)
    with pytest.raises(
        DivergedError, match=r"came nan in epoch 3, batch 1\. Lower .* The last good model is intact: .*model\.eqg"
    ):
        run(raw, console)


def test_never_a_finite_validation(raw, console, monkeypatch):
    monkeypatch.setattr("eqgraph.train.potential.loss_sums.LossSums.value", lambda self, stage=0: float("nan"))
    with pytest.raises(
        DivergedError,
        match=r"Expected a finite validation loss at least once, came none\. Lower .*\. The last checkpoint",
    ):
        run(raw, console)


def test_output_directory_that_cannot_be_made(raw, folder, console, monkeypatch):
    with pytest.raises(
        OSError,
        match=r"Expected to write to training\.output = '/proc/x/y', came: .*'/proc/x.* No model had been saved yet",
    ):
        run(raw, console, output="/proc/x/y")

    def full(self, text, **arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"training\.output = '.*run', came: .*No space left on device.*config.*No model"):
        run(raw, console, output=str(folder / "run"))


def test_forces_alone(raw, folder, console):
    """No energy anywhere: the table of errors has none, and nothing else is missing."""
    for name in ("train", "test"):
        frames = ase.io.read(folder / f"{name}.xyz", ":")
        for atoms in frames:
            atoms.calc.results.pop("energy")
        ase.io.write(folder / f"{name}.xyz", frames)
    del raw["data"]["isolated_atoms"]
    raw["loss"] = {"energy": 0}
    result = run(raw, console, max_epochs=2)
    assert math.isnan(result.history[-1]["valid_energy_rmse_meV_per_atom"])
    assert {row.quantity for errors in result.errors.values() for row in errors.rows()} == {"forces"}
    assert "H 0.0000, O 0.0000 (zero: no structure has an energy" in console.file.getvalue()
    assert result.history[-1]["valid_loss"] == pytest.approx(result.errors["valid"].forces.mse, rel=0.5)


def test_a_test_set_called_train_is_another(raw, folder, console):
    (folder / "new").mkdir()
    shutil.copy(folder / "test.xyz", folder / "new" / "train.xyz")
    raw["data"]["test"] = str(folder / "new" / "train.xyz")
    result = run(raw, console, max_epochs=1)
    assert {name: errors.energy.count for name, errors in result.errors.items()} == {
        "train": 15,
        "valid": 5,
        "test_train": 5,
    }


def test_a_run_is_not_overwritten_unless_told(finished, raw, folder, console):
    first = finished
    (first.output / "notes.txt").write_text("mine")
    content = first.model.read_bytes()
    with pytest.raises(ValueError, match=r"already holds a run \(config\.yaml, model\.eqg.*training\.overwrite=true"):
        run(raw, console)
    assert first.model.read_bytes() == content
    # bad input is found before anything is removed
    train, raw["data"]["train"] = raw["data"]["train"], "nowhere.xyz"
    with pytest.raises(FileNotFoundError):
        run(raw, console, overwrite=True)
    assert first.model.read_bytes() == content
    raw["data"]["train"] = train
    second = run(raw, console, overwrite=True, seed=5, max_epochs=1)
    assert second.model.read_bytes() != content
    assert (first.output / "notes.txt").read_text() == "mine"


def test_output_directory_mistakes(raw, folder, console):
    (folder / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"Expected a directory as training\.output"):
        run(raw, console, output=str(folder / "file"))
    with pytest.raises(
        FileNotFoundError, match=r"Expected the config of the run to resume in '.*config\.yaml', found no"
    ):
        resume(folder / "new", console=console)
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "config.yaml",
            b"- junk",
            r"Expected the config of the run to resume in '.*config\.yaml', came a file without",
        ),
        ("config.yaml", b"", r"Expected the config of the run to resume in '.*config\.yaml', came a file without"),
        ("config.yaml", b"data: {", r"'.*config\.yaml': expected YAML, came .*"),
        ("config.yaml", b"data: \xff", r"'.*config\.yaml': expected text in UTF-8, .*"),
    ],
    ids=["list", "empty", "YAML", "UTF-8"],
)
def test_resuming_from_damaged_files(finished, raw, console, name, content, message):
    (finished.output / name).write_bytes(content)
    before = {path.name: path.read_bytes() for path in finished.output.iterdir()}
    with pytest.raises(ValueError, match=rf"{message}.*Restore it, or start a new run: eqgraph train config\.yaml"):
        resume(finished.output, console=console)
    assert {path.name: path.read_bytes() for path in finished.output.iterdir()} == before


def test_resuming_without_a_config(finished, raw, console):
    (finished.output / "config.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.yaml', found no such file\. Restore it"):
        resume(finished.output, console=console)


def test_resuming_a_run_that_is_over_reports_again(finished, raw, console):
    """Also where it was moved to."""
    (finished.output / "errors.csv").unlink()
    again = resume(shutil.move(finished.output, finished.output.with_name("moved")), console=console)
    assert without_seconds(again.history) == without_seconds(finished.history)
    assert (again.output / "errors.csv").exists()
    assert "Changed: training.output: " in console.file.getvalue()


def test_progress_in_a_terminal(raw, folder):
    """And files that are not of a run are left alone."""
    (folder / "run").mkdir()
    (folder / "run" / "notes.txt").write_text("mine")
    file = io.StringIO()
    run(raw, Console(file=file, width=80, force_terminal=True, legacy_windows=False), max_epochs=1)
    assert (folder / "run" / "notes.txt").read_text() == "mine"
    assert re.search(r"epoch 1/1 .*100% .* it/s", file.getvalue())
    assert re.search(r"loss \S+ · valid RMSE E \S+ meV/atom, F \S+ meV/Å", file.getvalue())


def test_max_time(raw, console):
    """Stops after the time allowed, validates, saves, and by then the cosine schedule has come down."""
    result = run(raw, console, max_epochs=2_000, max_time="2 s")  # far longer than that without the limit
    seconds = result.history[-1]["seconds"]
    assert 2 <= seconds < 4
    assert len(result.history) > 3
    rates = [row["learning_rate"] for row in result.history]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.02 * 0.01 + 1e-12


def test_early_stopping(raw, console):
    raw["optimizer"] = {"learning_rate": 1e-30}  # nothing ever improves after the first epoch
    raw["schedule"] = {"name": "constant"}
    result = run(raw, console, max_epochs=50, early_stopping=2, ema_decay=0.0)
    assert len(result.history) == 3


def test_no_such_gpu(raw, console):
    with pytest.raises(ValueError, match=r"Expected one of \d+ GPUs .*came 'cuda:99'"):
        run(raw, console, device="cuda:99")


def test_gradient_is_clipped(raw, console, monkeypatch):
    norms = []

    def record(self, *arguments):
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norms.append(torch.stack([gradient.norm() for gradient in gradients]).norm().item())

    monkeypatch.setattr(PotentialModule, "on_train_batch_end", record)
    raw["optimizer"] = {"clip_gradient": 1e-3}
    run(raw, console, max_epochs=1)
    assert norms
    assert max(norms) <= 1e-3 * (1 + 1e-4)


def test_several_seeds(shared_run, raw, console):
    result = run(raw, console, seeds=2)
    assert [path.name for path in sorted(result.output.iterdir())] == [
        "committee.json",
        "config.yaml",
        "report.html",
        "seed_0",
        "seed_1",
        "seeds.csv",
    ]
    assert_same_weights(result.model, shared_run.model)
    with (result.output / "seeds.csv").open() as file:
        (row,) = [
            row for row in csv.DictReader(file) if (row["structures"], row["quantity"]) == ("test", "energy RMSE")
        ]
    errors = [1000 * seed.errors["test"].energy.rmse for seed in result.seeds]
    assert [float(row["seed_0"]), float(row["seed_1"])] == pytest.approx(errors)
    assert float(row["mean"]) == pytest.approx(sum(errors) / 2)
    assert float(row["deviation"]) == pytest.approx(abs(errors[0] - errors[1]) / 2**0.5)


def test_interrupted_between_seeds(raw, console, monkeypatch):
    training_step = PotentialModule.training_step

    def interrupt(self, batch, batch_idx):
        if torch.initial_seed() >= 1_000_003:  # of the second seed
            raise KeyboardInterrupt
        return training_step(self, batch, batch_idx)

    monkeypatch.setattr(PotentialModule, "training_step", interrupt)
    with pytest.raises(TrainingInterrupted, match="No model had been saved yet"):
        run(raw, console, seeds=2, max_epochs=2)
    monkeypatch.setattr(PotentialModule, "training_step", training_step)
    result = resume(raw["training"]["output"], console=console)
    assert [len(seed.history) for seed in result.seeds] == [2, 2]
    assert result.seeds[0].history != result.seeds[1].history


def test_the_final_model_is_kept_if_asked_for(raw, console):
    raw["optimizer"] = {"learning_rate": 1.0}
    raw["schedule"] = {"name": "constant"}
    result = run(raw, console, keep="final", max_epochs=4)
    assert load_potential(result.model)[1]["metadata"]["validation"]["epoch"] == 4
    last = result.history[-1]
    assert 1000 * result.errors["valid"].forces.rmse == pytest.approx(last["valid_forces_rmse_meV_per_A"], rel=1e-5)
    assert "Final model (epoch 4)" in console.file.getvalue()
