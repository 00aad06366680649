"""Labels under other keys, and frames without them."""

import ase.io
import numpy as np
from ase.build import bulk, molecule
from check_data import checked

from eqgraph.check import check_files
from eqgraph.check.check_files import KEYS
from eqgraph.check.labels_found import check_labels_found


def test_other_keys_are_suggested():
    atoms = molecule("H2O")
    atoms.info["REF_energy"] = -1.0
    atoms.arrays["REF_forces"] = atoms.positions
    found = list(check_labels_found(checked([atoms])))
    assert [finding.severity for finding in found] == ["info", "error", "error"]
    assert "Did you mean 'REF_energy'" in found[1].message
    assert "--forces-key" in found[2].message
    assert found[0].numbers == {"atoms.info": {"REF_energy": 1}, "atoms.arrays": {"REF_forces": 1}}


def test_frames_without_a_label():
    structures = [molecule("H2O") for _ in range(4)]
    for atoms in structures:
        atoms.info["energy"] = -1.0
    del structures[2].info["energy"]
    found = list(check_labels_found(checked(structures)))
    assert (found[1].severity, found[1].frames) == ("warning", (2,))
    assert "1 of 4 frames" in found[1].message
    assert found[2].severity == "info"  # no forces anywhere: energies alone can be trained on


def test_virials_are_read_as_stresses(tmp_path):
    frames = [bulk("Cu", cubic=True) for _ in range(3)]
    for atoms in frames:
        atoms.rattle(0.05, seed=1)
        atoms.info |= {"REF_energy": -1.0, "REF_virial": -2.0 * np.eye(3)}
    ase.io.write(tmp_path / "a.xyz", frames)
    report, data = check_files([tmp_path / "a.xyz"], KEYS | {"energy": "REF_energy", "virial": "REF_virial"})
    np.testing.assert_allclose(data.files[0].frames[0].stress, 2 * np.eye(3) / frames[0].get_volume())
    assert not [
        finding for finding in report.findings if finding.check == "labels" and "Expected stress" in finding.message
    ]
