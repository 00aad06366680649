"""The shipped data are what their card says."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from eqgraph.datasets import atomic_energies, read_frames

FOLDER = Path(__file__).parents[2] / "datasets" / "ethanol"
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\S+\.xyz) \| (\d+) \| .* \| (\d+) \| `(\w{64})` \|$", CARD, flags=re.MULTILINE)


def test_the_card_lists_every_file():
    assert sorted(name for name, *_ in ROWS) == sorted(path.name for path in FOLDER.glob("*.xyz"))


@pytest.mark.parametrize(("name", "frames", "size", "checksum"), ROWS, ids=[row[0] for row in ROWS])
def test_size_number_and_checksum(name, frames, size, checksum):
    content = (FOLDER / name).read_bytes()
    assert len(content) == int(size)
    assert hashlib.sha256(content).hexdigest() == checksum
    assert len(read_frames(FOLDER / name)) == int(frames)


@pytest.mark.parametrize("name", ["train_300K.xyz", "test_300K.xyz", "test_600K.xyz"])
def test_labels_are_physically_sound(name):
    frames = read_frames(FOLDER / name)
    forces = np.array([frame.forces for frame in frames])
    positions = np.array([frame.atoms.positions for frame in frames])
    energies = np.array([frame.energy for frame in frames])
    assert np.abs(forces.sum(1)).max() < 1e-6  # no net force
    centered = positions - positions.mean(1, keepdims=True)
    # the quadrature grid does not turn with the molecule: a small net torque remains
    assert np.abs(np.cross(centered, forces).sum(1)).max() < 0.02
    shifts = atomic_energies(read_frames(FOLDER / "isolated_atoms.xyz"), "isolated").shifts
    atomization = 2 * shifts[6] + 6 * shifts[1] + shifts[8] - energies
    # PBE overbinds: experiment is 33.4 eV without zero-point motion
    assert ((atomization > 33) & (atomization < 37)).all()


def test_splits_are_different_trajectories():
    seeds = [
        {frame.atoms.info["seed"] for frame in read_frames(FOLDER / name)}
        for name in ("train_300K.xyz", "test_300K.xyz", "test_600K.xyz")
    ]
    assert len(set.union(*seeds)) == sum(map(len, seeds))
