"""Balls, cubes and rods of noisy points, and configs that train a tiny network on them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

CLASSES = ["ball", "cube", "rod"]
TINY = {
    "num_layers": 1,
    "num_features": 4,
    "lmax": 1,
    "num_radial": 4,
    "radial_hidden": [8],
    "num_neighbors": 8,
    "num_invariant_channels": 8,
    "head_hidden": [16],
    "dropout": 0.1,
}


def shape(kind: int, num: int, rng: np.random.Generator) -> np.ndarray:
    """Points on a sphere, in a cube or along a rod, with noise."""
    if kind == 0:
        points = rng.normal(size=(num, 3))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    elif kind == 1:
        points = rng.uniform(-1, 1, (num, 3))
    else:
        points = np.stack([*0.05 * rng.normal(size=(2, num)), rng.uniform(-1, 1, num)], axis=1)
    return (points + 0.02 * rng.normal(size=points.shape)).astype(np.float32)


def write_shapes(path: Path, num: int, num_points: int = 32, seed: int = 0, **arrays) -> None:
    rng = np.random.default_rng(seed)
    label = np.arange(num) % 3
    points = np.stack([shape(kind, num_points, rng) for kind in label])
    np.savez(path, points=points, label=label, classes=np.array(CLASSES), **arrays)


def write_parts(path: Path, num: int, num_points: int = 48, seed: int = 0) -> None:
    """A small ball in a large one: which point is of which?"""
    rng = np.random.default_rng(seed)
    half = num_points // 2
    points = [np.concatenate([0.3 * shape(0, half, rng), shape(0, half, rng)]) for _ in range(num)]
    label = np.tile(np.repeat([0, 1], half), (num, 1))
    np.savez(path, points=np.stack(points).astype(np.float32), label=label, classes=np.array(["core", "shell"]))


@pytest.fixture(scope="session")
def shapes():
    """write_shapes, for tests that need others than those in `folder`."""
    return write_shapes


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/train.npz (42 clouds), data/test.npz (15), parts/train.npz (20) and parts/test.npz (5), to read only."""
    path = tmp_path_factory.mktemp("points")
    for name, write, train, test in (("data", write_shapes, 42, 15), ("parts", write_parts, 20, 5)):
        (path / name).mkdir()
        write(path / name / "train.npz", train)
        write(path / name / "test.npz", test, seed=1)
    return path


@pytest.fixture
def folder(shared_folder: Path, tmp_path: Path) -> Path:
    """The same files, to change."""
    shutil.copytree(shared_folder, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(scope="session")
def shared_raw(shared_folder: Path) -> dict:
    return raw_config(shared_folder)


@pytest.fixture
def raw(folder: Path) -> dict:
    return raw_config(folder)


def raw_config(folder: Path) -> dict:
    """What a YAML file for the data in a folder would say."""
    return {
        "task": "classification",
        "data": {"train": str(folder / "data"), "test": {"new": str(folder / "data")}},
        "model": dict(TINY),
        "training": {
            "output": str(folder / "run"),
            "max_epochs": 2,
            "batch_size": 8,
            "threads": 1,
            "device": "cpu",
        },
    }
