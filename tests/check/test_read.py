"""Broken frames do not hide each other: each is named, with file, frame and key."""

import ase.io
import pytest
from ase.build import molecule

from eqgraph.check import check_files
from eqgraph.check.read import read_file

KEYS = {"energy": "E", "forces": "F", "stress": "S"}


def frames(number=6):
    structures = [molecule("H2O") for _ in range(number)]
    for index, atoms in enumerate(structures):
        atoms.info["E"] = -1.0 - index
        atoms.arrays["F"] = 0 * atoms.positions + 0.1
    return structures


def test_every_bad_label_is_reported(tmp_path):
    structures = frames()
    structures[1].info["E"] = float("nan")
    structures[2].arrays["F"][1, 1] = float("inf")
    structures[4].info["E"] = float("nan")
    structures[4].arrays["F"][:] = float("nan")
    structures[5].positions[0, 0] = float("nan")
    ase.io.write(tmp_path / "a.xyz", structures)
    file, findings = read_file(tmp_path / "a.xyz", KEYS)
    found = {(finding.numbers["what"], finding.frames) for finding in findings}
    assert found == {("energy", (1, 4)), ("forces", (2, 4)), ("structure", (5,))}
    assert all(finding.severity == "error" for finding in findings)
    assert any("expected finite numbers for 'E'" in finding.message for finding in findings)
    assert [frame.index for frame in file.frames] == [0, 1, 2, 3, 4]
    assert [frame.energy is None for frame in file.frames] == [False, True, False, False, True]
    assert check_files([tmp_path / "a.xyz"], KEYS)[0].exit_code == 1


def test_a_frame_that_cannot_be_parsed_does_not_end_the_reading(tmp_path):
    path = tmp_path / "a.xyz"
    ase.io.write(path, frames(4))
    lines = path.read_text().splitlines(keepends=True)
    lines[5 + 3] = "H not a number\n"
    path.write_text("".join(lines[:-1]))
    file, findings = read_file(path, KEYS)
    assert [frame.index for frame in file.frames] == [0, 2]
    messages = sorted(finding.message for finding in findings)
    assert "frame 1, line 6: expected extended XYZ" in messages[0]
    assert "frame 3, line 16: expected 3 atoms, came 2: the file was cut off" in messages[1]


def test_files_that_cannot_be_read_at_all(tmp_path):
    (tmp_path / "empty.xyz").touch()
    (tmp_path / "text.xyz").write_text("hello\n")
    with pytest.raises(FileNotFoundError, match="Did you mean"):
        check_files([tmp_path / "empt.xyz"])
    with pytest.raises(ValueError, match="got an empty file"):
        check_files([tmp_path / "empty.xyz"])
    with pytest.raises(ValueError, match="expected the number of atoms of a frame"):
        check_files([tmp_path / "text.xyz"])
    with pytest.raises(ValueError, match="Expected every file once"):
        check_files([tmp_path / "text.xyz"] * 2)
    with pytest.raises(ValueError, match="Expected a cutoff above 0"):
        check_files([tmp_path / "text.xyz"], cutoff=0)
    with pytest.raises(ValueError, match="by its name a virial"):
        check_files([tmp_path / "text.xyz"], {"stress": "virial"})
