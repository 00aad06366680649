"""Labels of dipole moments: where they are found, and of which structures there are none."""

import ase
import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from eqgraph.datasets import AtomsDataset, data_hash, frames_from_atoms, read_frames, write_frames

DIPOLE = np.array([0.1, -0.2, 0.38])


def water(**info) -> ase.Atoms:
    atoms = ase.build.molecule("H2O")
    atoms.info.update(info)
    return atoms


def test_everywhere_that_ase_keeps_them(tmp_path):
    calculated = water()
    calculated.calc = SinglePointCalculator(calculated, energy=-1.0, dipole=DIPOLE)
    ase.io.write(tmp_path / "data.xyz", [calculated, water(dipole=DIPOLE), water(dipole=DIPOLE.reshape(1, 3)), water()])
    *frames, last = read_frames(tmp_path / "data.xyz", require=[])
    for frame in frames:
        np.testing.assert_allclose(frame.dipole, DIPOLE)
    assert last.dipole is None
    dataset = AtomsDataset([*frames, last], 3.0)
    np.testing.assert_allclose(dataset[0].dipole, [DIPOLE])
    assert dataset[3].dipole.isnan().all()
    (other,) = frames_from_atoms([water(mu=DIPOLE)], dipole_key="mu", require=["dipole"])
    np.testing.assert_allclose(other.dipole, DIPOLE)


@pytest.mark.parametrize("info", [{"charge": 1}, {"total_charge": -1.0}, {"pbc": True}, {"pbc": (True, False, False)}])
def test_structures_without_a_dipole_of_their_own(info):
    pbc = info.pop("pbc", False)
    atoms = water(dipole=DIPOLE, **info)
    atoms.set_cell([9.0] * 3)
    atoms.pbc = pbc
    assert frames_from_atoms([atoms], require=[])[0].dipole is None
    with pytest.raises(
        ValueError, match=r"no frame that has it\. .*Dipoles of periodic and of charged structures are not used"
    ):
        frames_from_atoms([atoms], require=["dipole"])
    assert frames_from_atoms([water(dipole=DIPOLE, charge=0)], require=[])[0].dipole is not None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.4, r"frame 0: expected the dipole 'dipole' as one vector of 3 numbers \[e·Å\], got shape \(\)"),
        (np.ones((3, 3)), r"got shape \(3, 3\)"),
        (np.array([0, np.nan, 0]), "expected finite numbers for 'dipole', got 1 NaN"),
        ("up", "expected numbers for 'dipole', got 'up'"),
    ],
)
def test_dipoles_that_are_none(value, message):
    with pytest.raises(ValueError, match=message):
        frames_from_atoms([water(dipole=value)], require=[])


def test_a_key_that_is_not_there_is_suggested():
    with pytest.raises(ValueError, match="Did you mean 'REF_dipole' for the dipole key"):
        frames_from_atoms([water(REF_dipole=DIPOLE)], require=["dipole"])


def test_predictions_are_written(tmp_path):
    frames = frames_from_atoms([water(dipole=DIPOLE), water()], require=[])
    write_frames(tmp_path / "out.xyz", frames, dipoles=[2 * DIPOLE, None])
    first, second = ase.io.read(tmp_path / "out.xyz", ":")
    np.testing.assert_allclose(first.info["pred_dipole"], 2 * DIPOLE)
    assert "pred_dipole" not in second.info
    with pytest.raises(ValueError, match=r"expected dipoles\[0\] of shape \(3,\), got \(2,\)"):
        write_frames(tmp_path / "out.xyz", frames, dipoles=[np.ones(2), None])


def test_the_hash_knows_dipoles_and_weights():
    structures = [water(), water(dipole=DIPOLE), water(dipole=-DIPOLE), water(config_weight=2), water(config_weight=3)]
    assert len({data_hash(frames_from_atoms([atoms], require=[])) for atoms in structures}) == 5


def test_weights_of_structures():
    frames = frames_from_atoms([water(), water(config_weight=0.5), water(config_weight=0)], require=[])
    assert [frame.weight for frame in frames] == [1.0, 0.5, 0.0]
    assert AtomsDataset(frames, 3.0)[1].weight.tolist() == [0.5]


@pytest.mark.parametrize("value", [-1, np.nan, np.inf, "heavy", [1, 2], None])
def test_weights_that_are_none(value):
    with pytest.raises(ValueError, match=r"frame 0: expected 'config_weight' to be a finite number, 0 or above, got "):
        frames_from_atoms([water(config_weight=value)], require=[])
