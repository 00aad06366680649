"""Readers of extended XYZ and of YAML given what nobody would write: they answer or refuse, and nothing else.

EQGRAPH_FUZZ=2000 tries as many examples of each (100 otherwise), EQGRAPH_FUZZ_SEED other ones.
"""

import os
import warnings
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from eqgraph.datasets import Frame, read_frames
from eqgraph.train import load_config

EXAMPLES = int(os.environ.get("EQGRAPH_FUZZ", "100"))
SEED = int(os.environ.get("EQGRAPH_FUZZ_SEED", "0"))
HEALTH = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def fuzzed(test):
    """Settings of all tests here; the seed is printed, and with it a failure comes again."""
    print(f"EQGRAPH_FUZZ_SEED={SEED} EQGRAPH_FUZZ={EXAMPLES}")
    run = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=HEALTH)(test)
    return seed(SEED)(run)


XYZ = (
    '3\nLattice="9.0 0.0 0.0 0.0 9.0 0.0 0.0 0.0 9.0" Properties=species:S:1:pos:R:3:forces:R:3 energy=-13.5 '
    'stress="1 0 0 0 1 0 0 0 1" pbc="T T T" config_type=bulk\n'
    "H 0.8 0.0 0.0 0.1 0.0 0.0\nH -0.2 0.9 0.0 0.0 0.1 0.0\nO 0.0 0.0 0.0 -0.1 -0.1 0.0\n"
    "2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-3.5 pbc=[F, F, F] note={a b}\n"
    "H 0.0 0.0 0.0 0.1 0.0 0.0\nO 0.0 0.9 0.0 -0.1 0.0 0.0\n"
)
YAML = """\
task: potential
data:
  train: [a.xyz, b.xyz]
  valid: 0.1
  test: {hot: c.xyz, cold: d.xyz}
  atomic_energies: {H: -13.6, O: -2040.1}
model:
  architecture: nequip
  num_layers: 2
  radial_hidden: [8, 8]
  cutoff: 5.0
loss: {energy: 1.0, forces: 10.0}
optimizer: {name: adamw, learning_rate: 0.01, amsgrad: true}
schedule: {name: plateau, patience: 5}
training:
  output: runs/a
  max_time: 4 min
  device: cpu
"""
ODD = [
    "",
    "0",
    "-1",
    "3",
    "1e999",
    "nan",
    "T",
    "=",
    '"',
    "'",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\",
    "\0",
    "é",
    "\n",
    "\r",
    "\t",
    " ",
    "#",
]
XYZ_WORDS = [
    *ODD, "energy", "energy=5", "forces", "Properties", "Properties=species:S:1:pos:R:3", "species:S:1", "pos:R:3", "R:99999999", "I:0",
    "H", "Xx", "Lattice", 'Lattice=""', "pbc", 'pbc="T T"', "VEC1 1 0 0", "VEC", "99999999999999999999", "_JSON [1]", 'a="_JSON {"',
    "stress=1", "virial", "info={{", "energy=None", "move_mask:L:1", "magmoms:R:1", "Z:I:1", "numbers", "1e-400", "0x10", "1_000",
    "dipole=1", "free_energy=x", "masses:R:1", "initial_charges:R:1", "tags:I:1", "momenta:R:2", "momenta:S:3", "calc=1",
]  # fmt: skip
YAML_WORDS = [
    *ODD, "data:", "train:", "training:", "model:", "- ", "? ", "&a", "*a", "<<: *a", "!!python/name:os.system", "!!int x", "!!set {a}",
    "!!omap [a: 1]", "!!binary x", "!!timestamp x", "2001-99-99", "12:30:45", ".nan", "-.inf", "~", "null", "yes", "0x", "0b", "1_",
    "---", "%YAML 9", "%TAG ! a", "|", ">", "@", "`", "~x/y", "{a: {b: [c]}}", "[]", "{}", "classification", "schedule:", "name:",
]  # fmt: skip


def mutated(text: str, words: list[str]) -> st.SearchStrategy[bytes]:
    """A valid file in which words, lines or bytes are changed, repeated, moved or missing."""
    word, place = st.sampled_from(words) | st.text(max_size=5), st.integers(0, 2**16)
    kinds = st.sampled_from(("replace", "insert", "delete", "double", "swap"))
    change = st.tuples(st.sampled_from(("word", "line", "byte")), kinds, place, place, word)
    return st.lists(change, min_size=1, max_size=4).map(lambda changes: _apply(text, changes))


def _apply(text: str, changes: list[tuple[str, str, int, int, str]]) -> bytes:
    data = text.encode()
    for unit, kind, first, second, word in changes:
        new = word.encode("utf-8", "surrogatepass")
        separator = {"word": b" ", "line": b"\n", "byte": b""}[unit]
        parts = data.split(separator) if separator else [data[i : i + 1] for i in range(len(data))]
        i, j = first % max(len(parts), 1), second % max(len(parts), 1)
        if not parts or kind == "insert":
            parts.insert(i, new)
        elif kind == "replace":
            parts[i] = new if unit != "byte" else bytes([second % 256])
        elif kind == "delete":
            del parts[i : i + 1 + second % 3]
        elif kind == "double":
            parts.insert(j, parts[i])
        else:
            parts[i], parts[j] = parts[j], parts[i]
        data = separator.join(parts)
    return data


KEYS = st.sampled_from(
    ["energy", "forces", "stress", "Lattice", "Properties", "pbc", "x", "a b", "é", "virial", "numbers", "positions"]
)
VALUES = st.one_of(
    st.floats().map(str),
    st.integers().map(str),
    st.lists(st.floats(width=32).map(str), max_size=10).map(lambda numbers: f'"{" ".join(numbers)}"'),
    st.sampled_from(
        [
            "T",
            "F",
            "{1 2}",
            "[[1, 2], [3]]",
            '"_JSON {}"',
            "None",
            "'a b'",
            '""',
            "species:S:1:pos:R:3",
            "pos:R:3:species:S:1",
        ]
    ),
    st.text(max_size=8).map(lambda text: f'"{text}"'),
)
ROW = st.tuples(
    st.sampled_from(["H", "O", "1", "Xx", "h", "é"]),
    st.lists(st.floats().map(str) | st.integers(-5, 5).map(str), min_size=2, max_size=7).map(" ".join),
).map(" ".join)


@st.composite
def generated_xyz(draw) -> bytes:
    """Frames with what looks like keys and rows."""
    frames = []
    for _ in range(draw(st.integers(1, 3))):
        rows = draw(st.lists(ROW, max_size=4))
        number = draw(st.sampled_from([len(rows)] * 8 + [len(rows) + 1, 0, -1]))
        comment = " ".join(f"{key}={value}" for key, value in draw(st.lists(st.tuples(KEYS, VALUES), max_size=4)))
        frames.append("\n".join([str(number), comment, *rows]))
    return "\n".join(frames).encode("utf-8", "surrogatepass")


SECTIONS = ["task", "data", "model", "loss", "optimizer", "schedule", "training", "x"]
NAMES = [
    "train", "valid", "test", "output", "name", "architecture", "cutoff", "num_layers", "num_points", "radial_hidden", "energy",
    "max_time", "seeds", "device", "atomic_energies", "energy_key", "potential", "classification", "nequip", "cosine", "cpu", "a/b",
]  # fmt: skip
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(NAMES), st.text(max_size=6), st.dates(), st.binary(max_size=4)
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.integers() | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
GENERATED_YAML = st.dictionaries(
    st.sampled_from(SECTIONS) | LEAVES.filter(lambda key: key == key), TREES, max_size=5
).map(lambda tree: yaml.dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


def _check_message(error: ValueError, path: Path) -> None:
    assert str(path) in str(error), error


def check_xyz(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of ASE and numpy
            frames = read_frames(path, require=())
    except ValueError as error:
        _check_message(error, path)
        return
    assert frames
    for frame in frames:
        assert isinstance(frame, Frame)
        assert frame.energy is None or abs(frame.energy) < 1e9


def check_yaml(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    try:
        config = load_config(path)
    except ValueError as error:
        _check_message(error, path)
        return
    config.model_dump(mode="json")


@fuzzed
@given(content=mutated(XYZ, XYZ_WORDS))
def test_mutated_extended_xyz(content, tmp_path):
    check_xyz(content, tmp_path / "a.xyz")


@fuzzed
@given(content=generated_xyz())
def test_generated_extended_xyz(content, tmp_path):
    check_xyz(content, tmp_path / "a.xyz")


@fuzzed
@given(content=mutated(YAML, YAML_WORDS))
def test_mutated_yaml(content, tmp_path):
    check_yaml(content, tmp_path / "a.yaml")


@fuzzed
@given(content=GENERATED_YAML | st.binary(max_size=40))
def test_generated_yaml(content, tmp_path):
    check_yaml(content, tmp_path / "a.yaml")


def test_the_files_that_are_mutated_are_good(tmp_path):
    (tmp_path / "a.xyz").write_text(XYZ)
    assert [frame.energy for frame in read_frames(tmp_path / "a.xyz")] == [-13.5, -3.5]
    (tmp_path / "a.yaml").write_text(YAML)
    assert load_config(tmp_path / "a.yaml").schedule.name == "plateau"


@pytest.mark.parametrize("content", [b"", b"\0", b"\xff\xfe", b"1", b"1\n", b"1\n\n"])
def test_next_to_nothing(content, tmp_path):
    check_xyz(content, tmp_path / "a.xyz")
    check_yaml(content, tmp_path / "a.yaml")
