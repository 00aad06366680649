import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from eqgraph.datasets import data_hash, frames_from_atoms, read_frames, write_frames


def frames(**keys):
    atoms = ase.build.bulk("NaCl", "rocksalt", a=5.6)
    atoms.info.update(config_type="salt", temperature=300, REF_energy=-2.5)
    atoms.arrays["REF_forces"] = np.full((2, 3), 0.25)
    atoms.set_constraint(FixAtoms([0]))
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.ones((2, 3)), stress=np.arange(6.0))
    molecule = ase.build.molecule("CO")
    molecule.info["REF_energy"] = -7.0
    molecule.arrays["REF_forces"] = np.zeros((2, 3))
    molecule.calc = SinglePointCalculator(molecule, energy=-2.0, forces=np.ones((2, 3)))
    return frames_from_atoms([atoms, molecule], **keys)


PREDICTED = {
    "energies": [-1.5, -2.5],
    "forces": [np.full((2, 3), 3.0), np.full((2, 3), 4.0)],
    "stresses": [np.diag([1.0, 2.0, 3.0]), None],
}
REF_KEYS = {"energy_key": "REF_energy", "forces_key": "REF_forces"}


def test_predictions_beside_labels(tmp_path):
    path = tmp_path / "out.xyz"
    write_frames(path, frames(), **PREDICTED)
    salt, molecule = ase.io.read(path, ":")
    assert (salt.info["pred_energy"], molecule.info["pred_energy"]) == (-1.5, -2.5)
    assert (salt.arrays["pred_forces"] == 3).all()
    np.testing.assert_array_equal(salt.info["pred_stress"], PREDICTED["stresses"][0])
    assert "pred_stress" not in molecule.info
    assert salt.info["temperature"] == 300
    assert salt.info["config_type"] == "salt"
    assert len(salt.constraints) == 1


@pytest.mark.parametrize("keys", [{}, REF_KEYS], ids=["calculator", "keys of their own"])
def test_labels_are_found_again_under_their_keys(tmp_path, keys):
    path = tmp_path / "out.xyz"
    write_frames(path, frames(**keys), **PREDICTED)
    assert data_hash(read_frames(path, **keys)) == data_hash(frames(**keys))
    predictions = read_frames(
        path, energy_key="pred_energy", forces_key="pred_forces", stress_key="pred_stress", require=["energy", "forces"]
    )
    assert [frame.energy for frame in predictions] == PREDICTED["energies"]
    assert predictions[1].stress is None


def test_label_in_two_places(tmp_path):
    (frame, _) = frames()
    frame.atoms.info["energy"] = -1.0
    write_frames(tmp_path / "out.xyz", [frame])
    assert read_frames(tmp_path / "out.xyz")[0].energy == -1.0
    assert frame.atoms.info["energy"] == -1.0


def test_frames_stay_as_they_are(tmp_path):
    given = frames()
    write_frames(tmp_path / "out.xyz", given, **PREDICTED)
    assert "pred_energy" not in given[0].atoms.info
    assert "pred_forces" not in given[0].atoms.arrays


def test_appears_complete_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "out.xyz"
    write_frames(path, frames())
    before = path.read_text()

    def full_disk(name, images, **kwargs):
        name.write_text("half of")
        raise OSError("No space left on device")

    monkeypatch.setattr(ase.io, "write", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_frames(path, frames(), **PREDICTED)
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["out.xyz"]


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected an existing folder for"):
        write_frames(tmp_path / "nowhere" / "out.xyz", frames())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("energies", [1.0], "expected energies of 2 frames, got 1"),
        ("forces", [np.zeros((2, 3)), np.zeros((3, 3))], r"expected forces\[1\] of shape \(2, 3\), got \(3, 3\)"),
        ("stresses", [np.zeros(6), None], r"expected stresses\[0\] of shape \(3, 3\), got \(6,\)"),
    ],
)
def test_predictions_that_do_not_match(tmp_path, name, value, message):
    with pytest.raises(ValueError, match=message):
        write_frames(tmp_path / "out.xyz", frames(), **{name: value})
    assert not list(tmp_path.iterdir())
