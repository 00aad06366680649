"""Files of structures that are broken in one place each: the error says in which file, which frame, and which key or column."""

import gzip
from pathlib import Path

import pytest


def in_frame(number: int, old: str, new: str):
    """Replaces a part of one frame of the good file, of which each has 5 lines."""

    def change(text: str) -> str:
        lines = text.splitlines(keepends=True)
        frame = "".join(lines[5 * number : 5 * number + 5])
        assert old in frame, frame
        return "".join([*lines[: 5 * number], frame.replace(old, new, 1), *lines[5 * number + 5 :]])

    return change


def energy(new: str):
    """Replaces the energy of frame 2."""

    def change(text: str) -> str:
        lines = text.splitlines(keepends=True)
        words = lines[11].split(" ")
        lines[11] = " ".join(new if word.startswith("energy=") else word for word in words)
        return "".join(lines)

    return change


def lines(change):
    """Changes the list of lines."""

    def changed(text: str) -> str:
        result = text.splitlines(keepends=True)
        change(result)
        return "".join(result)

    return changed


PROPERTIES = "species:S:1:pos:R:3:forces:R:3"
LATTICE = "9.0 0.0 0.0 0.0 9.0 0.0 0.0 0.0 9.0"

BROKEN = {
    "cut off between atoms": (lambda text: "".join(text.splitlines(keepends=True)[:-1]), r"frame 5 \(line 26\).*got 2"),
    "cut off within an atom": (lambda text: text[:-30], r"frame 5 .*columns for atom 2"),
    "too few atoms": (lines(lambda rows: rows.pop(7)), r"frame 1 .*columns for atom 2 .*got 1: '3'"),
    "too many atoms": (lines(lambda rows: rows.insert(7, rows[7])), r"frame 2 \(line 11\).*number of atoms.*got 'O "),
    "a larger number of atoms": (lines(lambda rows: rows.__setitem__(5, "4\n")), r"frame 1 \(line 6\).*atom 3"),
    "an endless number of atoms": (
        lines(lambda rows: rows.__setitem__(25, "9" * 30 + "\n")),
        r"frame 5 .*expected 9+ atoms",
    ),
    "a negative number of atoms": (lines(lambda rows: rows.__setitem__(0, "-3\n")), r"frame 0 .*'-3'"),
    "no number of atoms": (lines(lambda rows: rows.__setitem__(5, "three\n")), r"frame 1 .*'three'"),
    "no atoms": (lambda text: "0\nenergy=1\n" + text, r"frame 0: expected at least one atom"),
    "a blank line between frames": (
        lines(lambda rows: rows.insert(10, "\n")),
        r"line 11.*blank line.*ASE would not read",
    ),
    "text after the last frame": (lambda text: text + "the end\n", r"frame 6 .*'the end'"),
    "NaN energy": (energy("energy=nan"), r"frame 2: .*'energy'.*NaN"),
    "infinite energy": (energy("energy=-inf"), r"frame 2: .*'energy'.*infinite"),
    "energy too large for a float": (energy("energy=1e999"), r"frame 2: .*'energy'"),
    "huge energy": (energy("energy=1e300"), r"frame 2: .*at most 1e\+07 per atom.*'energy', got 1e\+300.*units"),
    "energy with its unit": (energy('energy="-5.0 Ha"'), r"frame 2: expected numbers for 'energy', got '-5.0 Ha'"),
    "energy in words": (energy("energy=minus-five"), r"frame 2: expected numbers for 'energy'"),
    "energy with an exponent of Fortran": (energy("energy=-5.0D+00"), r"frame 2: .*'energy'"),
    "energy with a decimal comma": (energy("energy=-5,03"), r"frame 2: .*'energy' to be one number"),
    "energy that is a truth value": (energy("energy"), r"frame 2: expected numbers for 'energy', got True"),
    "complex energy": (energy("energy=1+2j"), r"frame 2: .*'energy'"),
    "two energies": (energy("energy=-5.0 energy=-6.0"), r"frame 2 \(line 11\): expected each key once, got 'energy'"),
    "energy of broken JSON": (energy('energy="_JSON [[["'), r"JSONDecodeError in frame 2 \(line 11\)"),
    "NaN position": (in_frame(3, "O  ", "O  nan "), r"frame 3 .*columns for atom 2 .*got 8"),
    "NaN force": (lines(lambda rows: rows.__setitem__(17, "H 0.8 0 0 nan 0 0\n")), r"frame 3: .*'forces', got 1 NaN"),
    "NaN coordinate": (
        lines(lambda rows: rows.__setitem__(17, "H nan 0 0 0 0 0\n")),
        r"frame 3: expected finite positions",
    ),
    "coordinate in words": (
        lines(lambda rows: rows.__setitem__(17, "H x 0 0 0 0 0\n")),
        r"in frame 3 \(line 16\).*'x'",
    ),
    "huge coordinate": (
        lines(lambda rows: rows.__setitem__(17, "H 1e30 0 0 0 0 0\n")),
        r"frame 3: .*positions.*got 1e\+30",
    ),
    "huge force": (lines(lambda rows: rows.__setitem__(17, "H 1 0 0 1e30 0 0\n")), r"frame 3: .*'forces', got 1e\+30"),
    "a column too few": (
        lines(lambda rows: rows.__setitem__(17, "H 1 0 0 0 0\n")),
        r"frame 3 .*7 columns for atom 0 .*got 6",
    ),
    "a column too many": (lines(lambda rows: rows.__setitem__(17, "H 1 0 0 0 0 0 5\n")), r"frame 3 .*atom 0 .*got 8"),
    "two atoms at one place": (
        lines(lambda rows: rows.__setitem__(slice(17, 19), ["H 1 0 0 0 0 0\n"] * 2)),
        r"frame 3: .*atoms 1 \(H\) and 0 \(H\) 0",
    ),
    "an unknown element": (
        lines(lambda rows: rows.__setitem__(17, "Qq 1 0 0 0 0 0\n")),
        r"in frame 3 \(line 16\): 'Qq'",
    ),
    "the dummy element": (
        lines(lambda rows: rows.__setitem__(17, "X 1 0 0 0 0 0\n")),
        r"frame 3: .*\[0, 1, 8\].*dummy",
    ),
    "NUL in an element": (lines(lambda rows: rows.__setitem__(17, "H\0 1 0 0 0 0 0\n")), r"in frame 3 \(line 16\)"),
    "no positions": (in_frame(1, "pos:R", "xyz:R"), r"frame 1 .*species \(or Z\) and pos .*got species, xyz, forces"),
    "columns twice": (in_frame(1, PROPERTIES, f"{PROPERTIES}:pos:R:3"), r"frame 1 .*'pos' more than once"),
    "broken Properties": (in_frame(1, PROPERTIES, "species:S:pos:R:3"), r"frame 1 .*Properties as name:kind:columns"),
    "Properties of endless length": (
        in_frame(1, "forces:R:3", "forces:R:99999999999"),
        r"frame 1 .*columns for atom 0",
    ),
    "forces of two columns": (
        lambda text: text.replace("forces:R:3", "forces:R:2:more:R:1"),
        r"frame 0: expected forces 'forces' of shape \(3, 3\)",
    ),
    "forces that are whole numbers": (in_frame(1, "forces:R", "forces:I"), r"in frame 1 \(line 6\)"),
    "no forces anywhere": (lambda text: text.replace("forces:R", "froces:R"), r"forces under the key 'forces'.*froces"),
    "no energy anywhere": (lambda text: text.replace("energy=", "energi="), r"energy under the key 'energy'.*'energi'"),
    "a cell of zeros": (in_frame(4, LATTICE, "0 0 0 0 0 0 0 0 0"), r"frame 4: .*linearly independent cell vectors"),
    "a flat cell": (in_frame(4, LATTICE, "9 0 0 18 0 0 0 0 9"), r"frame 4: .*linearly independent cell vectors"),
    "a cell of eight numbers": (in_frame(4, LATTICE, "9 0 0 0 9 0 0 9"), r"in frame 4 \(line 21\).*Lattice"),
    "a cell with NaN": (in_frame(4, LATTICE, "nan 0 0 0 9 0 0 0 9"), r"frame 4: expected finite cell"),
    "a huge cell": (in_frame(4, LATTICE, "1e99 0 0 0 9 0 0 0 9"), r"frame 4: expected cell of at most"),
    "a misspelled cell": (in_frame(4, "Lattice", "Latice"), r"frame 4: .*cell vectors .*Lattice in extended XYZ"),
    "pbc in words": (in_frame(4, 'pbc="T T T"', 'pbc="T T maybe"'), r"frame 4 .*expected pbc=.*got .T T maybe."),
    "an unbalanced quotation mark": (in_frame(4, f'{LATTICE}"', LATTICE), r"in frame 4 \(line 21\)"),
    "stress of five numbers": (in_frame(4, '0.0 0.0 0.0" pbc', '0.0" pbc'), r"in frame 4 \(line 21\).*stress"),
    "stress that is not symmetric": (
        in_frame(4, 'stress="0.0 0.0', 'stress="0.0 5.0'),
        r"frame 4 .*symmetric stress 'stress'",
    ),
    "columns of numbers alone": (
        lambda text: "0.1 0.2 0.3\n0.4 0.5 0.6\n",
        r"frame 0 .*number of atoms.*'0.1 0.2 0.3'",
    ),
    "JSON called xyz": (lambda text: '{"energy": 1}', r"frame 0 .*number of atoms"),
    "nothing but blanks": (lambda text: "\n \n\n", r"expected structures, got none"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_extended_xyz(name, text, shared, config, refused, tmp_path):
    change, pattern = BROKEN[name]
    path = tmp_path / "broken.xyz"
    path.write_text(change(text))
    assert path.read_text() != text
    refused(["train", config(path)], r"broken\.xyz", pattern)
    if "anywhere" not in name:  # of a file without forces, energies can be compared
        refused(["eval", str(shared / "model.eqg"), str(path), "--device", "cpu"], r"broken\.xyz", pattern)


def test_the_good_file_is_good(shared, config, capsys):
    from eqgraph.cli import main

    assert main(["eval", str(shared / "model.eqg"), str(shared / "good.xyz"), "--device", "cpu"]) == 0


BYTES = {
    "empty.xyz": (b"", "an empty file"),
    "binary.xyz": (bytes(range(256)) * 20, "UTF-8|number of atoms"),
    "latin1.xyz": ("1\nname=\xe9 energy=1\nH 0 0 0\n".encode("latin-1"), "UTF-8, got the byte 0xe9"),
    "utf16.xyz": ("1\nenergy=1\nH 0 0 0\n".encode("utf-16"), "UTF-8, got the byte 0xff"),
    "junk.xyz.gz": (b"\x1f\x8b\x08\x00garbage", "junk.xyz.gz"),
    "cut.xyz.gz": (gzip.compress(b"1\nenergy=1\nH 0 0 0\n" * 50)[:40], "cut.xyz.gz"),
    "a.traj": (b"- of Ulm" + bytes(100), "a.traj"),
    "a.db": (b"SQLite format 3\0" + bytes(200), "a.db"),
    "a.json": (b'{"1": {"numbers": [1', "a.json"),
    "a.cif": (b"data_x\nloop_\n_cell", "a.cif"),
    "POSCAR": (b"comment\nnot a number\n", "POSCAR"),
    "a.unknown": (b"who knows", "a.unknown"),
    "a.h5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "a.h5"),
}


@pytest.mark.parametrize("name", BYTES)
def test_broken_bytes(name, shared, config, refused, tmp_path):
    content, pattern = BYTES[name]
    (tmp_path / name).write_bytes(content)
    refused(["train", config(tmp_path / name)], name, pattern)
    refused(["eval", str(shared / "model.eqg"), str(tmp_path / name), "--device", "cpu"], name, pattern)


def test_a_folder_in_place_of_a_file(shared, config, refused, tmp_path):
    (tmp_path / "folder.xyz").mkdir()
    refused(["train", config(tmp_path / "folder.xyz")], "folder.xyz")
    refused(["eval", str(shared / "model.eqg"), str(tmp_path / "folder.xyz")], "folder.xyz")


@pytest.mark.parametrize("name", ["x" * 300 + ".xyz", "/".join(["x" * 100] * 60)])
def test_names_longer_than_names_can_be(name, config, refused, tmp_path):
    refused(["train", config(Path(tmp_path / name))], "xxxx")


def test_broken_test_and_validation_files_are_named(text, shared, config, refused, tmp_path):
    path = tmp_path / "broken.xyz"
    path.write_text(text.replace("energy=", "energy=x", 1))
    for changes in ({"test": str(path)}, {"valid": str(path)}):
        refused(["train", config(shared / "good.xyz", {"data": changes})], r"broken\.xyz, frame 0: .*'energy'")
    atoms = tmp_path / "atoms.xyz"
    atoms.write_text("1\nenergy=nan\nH 0 0 0\n")
    refused(
        ["train", config(shared / "good.xyz", {"data": {"isolated_atoms": str(atoms)}})],
        r"atoms\.xyz, frame 0: .*'energy'",
    )
