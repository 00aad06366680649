"""Virials are read as the stress that ASE computes of the same structure."""

import ase
import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.stress import full_3x3_to_voigt_6_stress

from eqgraph.datasets import AtomsDataset, frames_from_atoms, read_frames


def strained(calculator: bool = False) -> ase.Atoms:
    """A distorted crystal; its energy and stress are those of EMT."""
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell.array @ [[1.02, 0.01, 0], [0, 0.97, 0.02], [0, 0, 1.01]], scale_atoms=True)
    atoms.rattle(0.05, seed=0)
    if calculator:
        atoms.calc = EMT()
    return atoms


@pytest.fixture(scope="module")
def stress() -> np.ndarray:
    return strained(True).get_stress(voigt=False)


@pytest.fixture(scope="module")
def virial() -> np.ndarray:
    """-dE/dε by finite differences of the energy."""
    virial, step = np.zeros((3, 3)), 1e-5
    for i in range(3):
        for j in range(3):
            energies = []
            for sign in (1, -1):
                strain = np.zeros((3, 3))
                strain[i, j] += sign * step / 2
                strain[j, i] += sign * step / 2
                atoms = strained(True)
                atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
                energies.append(atoms.get_potential_energy())
            virial[i, j] = -(energies[0] - energies[1]) / (2 * step)
    return virial


@pytest.mark.parametrize("shape", [(3, 3), (9,), (6,)])
def test_a_virial_is_minus_the_stress_times_the_volume(stress, virial, shape):
    atoms = strained()
    atoms.info["W"] = full_3x3_to_voigt_6_stress(virial) if shape == (6,) else virial.reshape(shape)
    (frame,) = frames_from_atoms([atoms], virial_key="W", require=["stress"])
    np.testing.assert_allclose(frame.stress, stress, atol=1e-7)
    np.testing.assert_allclose(frame.virial, virial, atol=1e-6)
    item = AtomsDataset([frame], 3.0)[0]
    np.testing.assert_allclose(item.virial[0], virial, atol=1e-6)
    np.testing.assert_allclose(item.stress[0], stress, atol=1e-7)


def test_virials_in_a_file(stress, virial, tmp_path):
    """Under the usual name they are found without being asked for, beside a stress that agrees."""
    alone, both = strained(), strained(True)
    both.get_stress()
    for atoms in (alone, both):
        atoms.info["virial"] = virial
    ase.io.write(tmp_path / "data.xyz", [alone, both])
    for frame in read_frames(tmp_path / "data.xyz", require=["stress"]):
        np.testing.assert_allclose(frame.stress, stress, atol=1e-7)


@pytest.mark.parametrize(
    ("factor", "ratio"), [(-1.0, "-1"), (160.2176634, "160"), (0.5, "0.5")], ids=["sign", "GPa", "half"]
)
def test_a_virial_that_contradicts_the_stress(stress, virial, factor, ratio):
    atoms = strained()
    atoms.info.update(S=stress, W=factor * virial)
    message = rf"frame 0: expected stress 'S' = -virial 'W' / volume, got a difference of .* \(-virial / volume is {ratio} times"
    with pytest.raises(ValueError, match=message):
        frames_from_atoms([atoms], stress_key="S", virial_key="W", require=["stress"])


def test_a_virial_needs_a_volume():
    molecule = ase.build.molecule("H2O")
    molecule.info["virial"] = np.zeros((3, 3))
    assert frames_from_atoms([molecule], require=[])[0].stress is None
    molecule.info["virial"] = np.eye(3)
    with pytest.raises(ValueError, match="expected three cell vectors for the virial 'virial', got a cell of rank 0"):
        frames_from_atoms([molecule], require=[])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            np.ones(3),
            r"expected the virial 'virial' as 3x3, 9 or 6 \(xx, yy, zz, yz, xz, xy\) numbers \[eV\], got shape \(3,\)",
        ),
        (np.triu(np.ones((3, 3))), "expected a symmetric virial 'virial'"),
        (np.full((3, 3), np.nan), "expected finite numbers for 'virial', got 9 NaN"),
        ("large", "expected numbers for 'virial', got 'large'"),
    ],
)
def test_virials_that_are_none(value, message):
    atoms = strained()
    atoms.info["virial"] = value
    with pytest.raises(ValueError, match=message):
        frames_from_atoms([atoms], require=[])
