"""Every test draws the same random numbers; shape annotations are enforced."""

import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # there is a process per core: threads of each would wait for those of the others
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import jaxtyping
import numpy as np
import pytest

jaxtyping.install_import_hook("eqgraph", "typecheck.checked")


@pytest.fixture(autouse=True)
def _seed() -> None:
    import torch

    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(autouse=True)
def _working_directory(tmp_path, monkeypatch) -> None:
    """What a test writes to the working directory goes nowhere."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _float64():
    """Constants and parameters built in this test are float64."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(scope="session")
def run_of_seeds(tmp_path_factory) -> Path:
    """The directory of a run of two seeds; train.xyz, pool.xyz and old.eqg (without uncertainty) beside it."""
    import ase.io
    import yaml
    from squares import TINY, squares

    from eqgraph.cli import main
    from eqgraph.models import load_potential, save_potential

    folder = tmp_path_factory.mktemp("seeds")
    ase.io.write(folder / "train.xyz", squares(20))
    ase.io.write(folder / "pool.xyz", squares(30, seed=1, shake=0.15))
    config = {
        "data": {"train": str(folder / "train.xyz"), "valid": 6},
        "model": TINY | {"cutoff": 4.0},
        "training": {"output": str(folder / "run"), "max_epochs": 3, "threads": 1, "device": "cpu", "seeds": 2},
    }
    (folder / "a.yaml").write_text(yaml.safe_dump(config))
    assert main(["train", str(folder / "a.yaml")]) == 0
    potential, header = load_potential(folder / "run/seed_0/model.eqg")
    metadata = {key: value for key, value in header["metadata"].items() if key != "trained_range"}
    save_potential(folder / "old.eqg", potential, metadata)
    return folder / "run"
