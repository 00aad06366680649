"""Runs that are killed, interrupted or run out of disk, and go on: bit for bit as if nothing had happened."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from eqgraph.train.checkpoint import read_checkpoint


class Server:
    """See run_server.py."""

    def __init__(self) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("run_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(
        self, *arguments: str, at: int | None = None, accident: str = "SIGKILL", after: float | None = None
    ) -> dict:
        job = {"arguments": arguments, "at": at, "accident": accident, "after": after, "printed": self.printed}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def shared_server():
    server = Server()
    yield server
    server.process.stdin.close()
    server.process.stdout.close()
    server.process.wait()


@pytest.fixture
def server(shared_server, tmp_path):
    shared_server.printed = str(tmp_path / "printed.txt")
    return shared_server


class Whole:
    """An uninterrupted run, and the same one to be interrupted."""

    def __init__(self, folder: Path, raw: dict, server: Server) -> None:
        self.folder, self.run, self.server = folder, folder / "run", server
        (folder / "config.yaml").write_text(yaml.safe_dump(raw))
        self.train = ("train", str(folder / "config.yaml"))
        self.resume = ("train", "--resume", str(self.run))
        start = time.monotonic()
        result = server.run(*self.train)
        self.seconds = time.monotonic() - start
        assert result["code"] == 0, result["printed"]
        self.events = result["events"]
        self.files = self._files()
        shutil.rmtree(self.run)

    def _files(self) -> tuple[bytes, list, Any]:
        rows = list(csv.DictReader((self.run / "metrics.csv").read_text().splitlines()))
        checkpoint = read_checkpoint(self.run / "last.ckpt")
        del checkpoint["callbacks"]["Timer"]
        for row in rows + checkpoint["callbacks"]["History"]["rows"]:
            del row["seconds"]
        return (self.run / "model.eqg").read_bytes(), rows, checkpoint

    def assert_same_end(self) -> None:
        model, rows, checkpoint = self._files()
        assert rows == self.files[1]
        assert model == self.files[0]
        assert_same(checkpoint, self.files[2])
        assert not list(self.run.glob(".*")), "left a temporary file"

    def go_on(self) -> None:
        """To the end; from the start if it had not begun."""
        result = self.server.run(*(self.resume if (self.run / "config.yaml").exists() else self.train))
        assert result["code"] == 0, result["printed"]
        self.assert_same_end()
        shutil.rmtree(self.run)


def assert_same(first: Any, second: Any, where: str = "checkpoint") -> None:
    assert type(first) is type(second), where
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            assert_same(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_same(one, other, f"{where}[{index}]")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    else:
        assert first == second or (first != first and second != second), where


@pytest.fixture
def potential(raw, tmp_path, server) -> Whole:
    """With early stopping, a plateau, a mean of the weights and a checkpoint after every step."""
    raw["data"].pop("test")
    raw["schedule"] = {"name": "plateau", "patience": 1, "factor": 0.5}
    raw["optimizer"] = {"learning_rate": 0.3}  # so large that the plateau comes
    raw["training"] |= {"max_epochs": 8, "early_stopping": 2, "checkpoint_every": 0.001}
    return Whole(tmp_path, raw, server)


@pytest.fixture
def points(tmp_path, server) -> Whole:
    """With everything that draws random numbers."""
    rng = np.random.default_rng(0)
    label = np.arange(18) % 2
    clouds = rng.normal(size=(18, 16, 3)) * np.where(label == 0, 1.0, 0.05)[:, None, None] ** [1, 1, 0]
    np.savez(tmp_path / "train.npz", points=clouds, label=label, classes=np.array(["ball", "rod"]))
    raw = {
        "task": "classification",
        "data": {
            "train": str(tmp_path / "train.npz"),
            "valid": 6,
            "num_points": 12,
            "protocol": "SO3/SO3",
            "jitter": 0.01,
            "point_dropout": 0.3,
            "scale": [0.9, 1.1],
        },
        "model": {
            "num_layers": 1,
            "num_features": 4,
            "lmax": 1,
            "num_radial": 4,
            "num_neighbors": 6,
            "head_hidden": [8],
        },
        "training": {
            "output": str(tmp_path / "run"),
            "max_epochs": 3,
            "batch_size": 4,
            "threads": 1,
            "device": "cpu",
            "checkpoint_every": 0.001,
        },
    }
    return Whole(tmp_path, raw, server)


def test_a_potential_killed_at_any_moment_ends_the_same(potential, server):
    assert len(potential.files[1]) < 8, "should have stopped early"
    assert len({row["learning_rate"] for row in potential.files[1]}) > 1, "should have come to a plateau"
    draw = random.Random(0)
    # in the middle of a batch and of a validation, and around every write
    kinds = sorted({name for name in potential.events if name.startswith("before")})
    assert len(kinds) == 6
    at = [draw.choice([i for i, name in enumerate(potential.events) if name == kind]) + 1 for kind in kinds]
    for number in at:
        result = server.run(*potential.train, at=number)
        assert result["code"] == -9, result["printed"]
        potential.go_on()


def test_a_classifier_killed_again_and_again_ends_the_same(points, server):
    assert "after step" in points.events
    draw = random.Random(1)
    kills = 0
    result = server.run(*points.train, at=draw.randint(30, 90))
    while result["code"] == -9:
        kills += 1
        result = server.run(*points.resume, at=draw.randint(30, 90))
    assert kills >= 3
    assert result["code"] == 0, result["printed"]
    points.assert_same_end()


def test_killed_at_random_times(potential, server):
    draw = random.Random()
    for _ in range(3):
        after = draw.uniform(0.3, 1.0) * potential.seconds
        server.run(*potential.train, after=after)
        potential.go_on()


def test_signals_end_a_run_after_a_checkpoint(potential, server):
    """In the middle of a batch, of a validation, and of the writing of a file."""
    sigint, sigterm = ("SIGINT", 130, "Interrupted."), ("SIGTERM", 143, "Ended by SIGTERM.")
    for name, (accident, code, said) in (
        ("before step", sigint),
        ("before step", sigterm),
        ("before validation_step", sigterm),
        ("before replace", sigterm),
    ):
        number = [i for i, event in enumerate(potential.events) if event == name][3] + 1
        result = server.run(*potential.train, at=number, accident=accident)
        assert result["code"] == code
        (line,) = [line for line in result["printed"].splitlines() if said in line]
        assert line.endswith(f"To go on from it: eqgraph train --resume {potential.run}")
        assert "Traceback" not in result["printed"]
        # what was done is not lost: the checkpoint is of the step in which the signal came, or of the end of its epoch
        steps = potential.events[:number].count("before step")
        assert read_checkpoint(potential.run / "last.ckpt")["global_step"] >= steps
        potential.go_on()


def test_disk_full_at_any_write(potential, server):
    """One readable line, no half file, and the run goes on when there is space again."""
    writes = server.run(*potential.train, accident="ENOSPC")["events"]
    shutil.rmtree(potential.run)
    draw = random.Random(2)
    for number in [1, 2, *draw.sample(range(3, len(writes)), 2)]:
        result = server.run(*potential.train, at=number, accident="ENOSPC")
        if writes[number - 1] == "before link":  # the checkpoint before can be kept in another way
            assert result["code"] == 0
            shutil.rmtree(potential.run)
            continue
        assert result["code"] == 1, (writes[number - 1], result["printed"])
        assert "error: Expected to write to training.output" in result["printed"]
        assert "No space left on device" in result["printed"]
        assert not list(potential.run.glob(".*")), "left a temporary file"
        for name in ("last.ckpt", "previous.ckpt"):
            if (potential.run / name).exists():
                read_checkpoint(potential.run / name)
        potential.go_on()


def test_a_torn_checkpoint_and_a_lost_model(potential, server):
    """The one before takes its place, and what is wrong or missing beside it is written again."""
    last_step = max(index for index, event in enumerate(potential.events) if event == "before step")
    server.run(*potential.train, at=last_step + 1)
    content = (potential.run / "last.ckpt").read_bytes()
    (potential.run / "last.ckpt").write_bytes(content[: len(content) // 2])
    (potential.run / "model.eqg").unlink()
    (potential.run / "metrics.csv").write_text("epoch,step\n1,2")
    result = server.run(*potential.resume)
    assert [line for line in result["printed"].splitlines() if "last.ckpt" in line] == [
        "last.ckpt has no checksum: it is cut off, or was not written by this program: going on from previous.ckpt, the checkpoint "
        "before it."
    ]
    assert result["code"] == 0, result["printed"]
    potential.assert_same_end()
    for name in ("last.ckpt", "previous.ckpt"):
        (potential.run / name).write_bytes(b"junk")
    result = server.run(*potential.resume)
    assert result["code"] == 2
    assert (
        f"Restore it from a copy, or start again: eqgraph train {potential.run}/config.yaml training.overwrite=true"
        in (result["printed"].replace("\n", ""))
    )


def test_several_seeds_killed(potential, server):
    """The message names the directory that holds all of them."""
    seeds = (*potential.train, "training.seeds=2", "training.max_epochs=2", "training.early_stopping=null")
    whole = server.run(*seeds)
    assert whole["code"] == 0, whole["printed"]
    shutil.move(potential.run, potential.folder / "whole")
    result = server.run(*seeds, at=int(0.75 * len(whole["events"])), accident="SIGTERM")
    assert f"eqgraph train --resume {potential.run}\n" in result["printed"]
    assert server.run(*potential.resume)["code"] == 0
    for name in ("seeds.csv", "seed_0/model.eqg", "seed_1/model.eqg"):
        assert (potential.run / name).read_bytes() == (potential.folder / "whole" / name).read_bytes()
