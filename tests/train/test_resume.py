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
    # an event of every kind, and others
    kinds = sorted(set(potential.events))
    at = [draw.choice([i for i, name in enumerate(potential.events) if name == kind]) + 1 for kind in kinds]
    for number in at:
        result = server.run(*potential.train, at=number)
        assert result["code"] == -9, result["printed"]
        potential.go_on()


def test_a_classifier_killed_again_and_again_ends_the_same(points, server):
    assert "after step" in points.events
    draw = random.Random(1)
    kills = 0
    result = server.run(*points.train, at=draw.randint(20, 60))
    while result["code"] == -9:
        kills += 1
        result = server.run(*points.resume, at=draw.randint(20, 60))
    assert kills >= 3
    assert result["code"] == 0, result["printed"]
    points.assert_same_end()


def test_killed_at_random_times(potential, server):
    draw = random.Random()
    for _ in range(4):
        after = draw.uniform(0.3, 1.0) * potential.seconds
        server.run(*potential.train, after=after)
        potential.go_on()
