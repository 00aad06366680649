"""Trainings in several processes, started as users do: what they learn, write and print is what one process does."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import ase.io
import pytest
import yaml

from eqgraph.launch import Launch, launched
from eqgraph.models import load_potential

_PROCESSES = {"RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_RANK"}


def command(arguments: list[str], processes: int) -> subprocess.CompletedProcess:
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    environment = {key: value for key, value in os.environ.items() if key not in _PROCESSES} | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *start, "-m", "eqgraph.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        env=environment,
    )


def table(folder: Path) -> list[dict[str, float]]:
    with (folder / "metrics.csv").open() as file:
        return [
            {name: float(value) for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)
        ]


def config(raw: dict, folder: Path) -> Path:
    """Uneven last batches, and structures without forces."""
    frames = ase.io.read(folder / "train.xyz", ":")
    for atoms in frames[::3]:
        atoms.calc.results.pop("forces")
    ase.io.write(folder / "train.xyz", frames)
    raw["training"] |= {"batch_size": 3, "dtype": "float64"}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def test_two_processes_learn_what_one_does_also_when_resumed(raw, folder):
    raw["schedule"] = {"name": "constant"}
    path = str(config(raw, folder))
    one = command(["train", path, f"training.output={folder / 'one'}"], 1)
    assert one.returncode == 0, one.stderr
    two = command(["train", path, f"training.output={folder / 'two'}", "training.max_epochs=2"], 2)
    assert two.returncode == 0, two.stderr
    assert two.stdout.count("Best model") == 1  # one of them speaks
    assert "Warning" not in two.stderr
    more = command(["train", "--resume", str(folder / "two"), "training.max_epochs=3"], 2)
    assert more.returncode == 0, more.stderr
    rows = table(folder / "two")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for ours, theirs in zip(rows, table(folder / "one"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6, nan_ok=True)


def test_batches_capped_by_edges(raw, folder):
    raw["schedule"] = {"name": "constant"}
    path = str(config(raw, folder))
    for processes, cap in ((1, 72), (2, 36)):
        output = folder / f"run_{processes}"
        options = ["training.batch_size=null", f"training.batch_edges={cap}", f"training.output={output}"]
        done = command(["train", path, *options], processes)
        assert done.returncode == 0, done.stderr
        load_potential(output / "model.eqg")
        assert table(output)[-1]["valid_loss"] < table(output)[0]["valid_loss"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Launch(0, 1, 1)),
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}, Launch(3, 8, 4)),
        ({"SLURM_PROCID": "5", "SLURM_NTASKS": "6", "SLURM_NNODES": "2", "SLURM_STEP_ID": "0"}, Launch(5, 6, 3)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "6", "SLURM_NNODES": "2"}, Launch(0, 1, 1)),  # a shell of a job
    ],
)
def test_what_the_environment_says(monkeypatch, environment, expected):
    for name in (*_PROCESSES, "SLURM_PROCID", "SLURM_STEP_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched() == expected
    assert expected.num_machines == expected.world // expected.per_machine


def test_uneven_machines(monkeypatch):
    for name, value in {"SLURM_PROCID": "0", "SLURM_NTASKS": "5", "SLURM_NNODES": "2", "SLURM_STEP_ID": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="Expected as many processes on each machine, came 5 on 2"):
        launched()


def test_several_seeds_belong_into_one_process(raw, monkeypatch):
    from eqgraph.train import fit, parse_config

    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    raw["training"]["seeds"] = 2
    with pytest.raises(ValueError, match=r"Expected training\.seeds=1 in 2 processes, came 2 seeds"):
        fit(parse_config(raw))
