"""Labels under other keys, and frames without them."""

from ase.build import molecule
from check_data import checked

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
