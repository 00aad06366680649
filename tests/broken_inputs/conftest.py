"""What is right, to be broken by the tests: a file of structures, a config, models; and what every broken input has to end with."""

import re
from collections.abc import Callable
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
import torch
import yaml
from ase.calculators.singlepoint import SinglePointCalculator

from eqgraph.cli import main
from eqgraph.models import build_classifier, build_potential, save_classifier, save_potential

TINY = {"num_layers": 1, "num_features": 2, "lmax": 1, "num_radial": 4, "radial_hidden": [8]}
TINY_POINTS = TINY | {"num_neighbors": 4, "head_hidden": [4]}


def frames(number: int = 6) -> list[ase.Atoms]:
    rng = np.random.default_rng(0)
    result = []
    for _ in range(number):
        atoms = ase.Atoms(
            "H2O", np.array([(0.8, 0, 0), (-0.2, 0.9, 0), (0, 0, 0)]) + rng.normal(scale=0.05, size=(3, 3))
        )
        atoms.set_cell([9.0, 9.0, 9.0])
        atoms.pbc = True
        forces = rng.normal(size=(3, 3))
        atoms.calc = SinglePointCalculator(
            atoms, energy=rng.normal() - 14.0, forces=forces - forces.mean(0), stress=np.zeros(6)
        )
        result.append(atoms)
    return result


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """good.xyz, model.eqg, clouds/{train,test}.npz and clouds.eqg, to read only."""
    path = tmp_path_factory.mktemp("good")
    ase.io.write(path / "good.xyz", frames())
    torch.manual_seed(0)
    potential = build_potential("nequip", TINY, [1, 8], 4.0, [-1.0, -2.0], [1.0, 1.0], 2.0)
    save_potential(path / "model.eqg", potential)
    (path / "clouds").mkdir()
    for name in ("train", "test"):
        arrays = {"points": np.random.default_rng(0).normal(size=(6, 8, 3)), "label": [0, 1, 0, 1, 0, 1]}
        np.savez(path / "clouds" / f"{name}.npz", **arrays, classes=np.array(["ball", "cube"]))
    classifier = build_classifier("tensor_field_network", TINY_POINTS, num_classes=2)
    save_classifier(path / "clouds.eqg", classifier, ["ball", "cube"])
    return path


@pytest.fixture
def text(shared: Path) -> str:
    """Of good.xyz."""
    return (shared / "good.xyz").read_text()


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., str]:
    """Writes a config for some file of structures, with changes {section: {key: value}}; returns its path."""

    def write(train: Path, changes: dict | None = None) -> str:
        raw = {
            "data": {"train": str(train), "valid": 2},
            "model": TINY | {"cutoff": 4.0},
            "training": {"output": str(tmp_path / "run"), "max_epochs": 1, "threads": 1, "device": "cpu"},
        }
        for section, values in (changes or {}).items():
            raw[section] = raw.get(section, {}) | values
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(raw))
        return str(path)

    return write


@pytest.fixture
def refused(capsys, tmp_path: Path) -> Callable[..., str]:
    """Runs the command line and returns its one error, which has to match all the patterns; nothing may have been written."""

    def run(arguments: list[str], *patterns: str) -> str:
        capsys.readouterr()
        assert main(arguments) == 2, "exit code"
        printed = capsys.readouterr().err
        assert "Traceback" not in printed
        assert "--debug" not in printed, "a message of eqgraph's own"
        lines = printed.splitlines()
        assert lines
        assert all(line.startswith("error: ") for line in lines), printed
        assert printed.rstrip().endswith((".", "?")), "a whole sentence"
        for pattern in patterns:
            assert re.search(pattern, printed), f"{pattern!r} not in {printed!r}"
        assert not (tmp_path / "run").exists(), "refused before anything is written"
        assert not list(Path.cwd().glob("predictions_*"))
        return printed

    return run
