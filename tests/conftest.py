"""Every test draws the same random numbers; shape annotations are enforced."""

import os

if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # there is a process per core: threads of each would wait for those of the others
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
