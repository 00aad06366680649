"""YAML files and overrides that are broken in one place each: the error names the file and the key."""

import os

import pytest

GOOD = "data:\n  train: good.xyz\ntraining:\n  output: run\n  device: cpu\n"

BROKEN = {
    "empty": ("", "expected sections"),
    "a number": ("5", "expected sections"),
    "a list": ("- data\n- training\n", "expected sections"),
    "a word": ("data", "expected sections"),
    "keys without indentation": ("data: \ntrain: a.xyz\n", "expected sections.*Indent"),
    "two documents": (GOOD + "---\n" + GOOD, "another document in line 6"),
    "a tab": ("data:\n\ttrain: a\n", "line 2, column 1"),
    "a key twice": (GOOD + "  output: b\n", "key 'output' appears twice in line 6"),
    "a section twice": (GOOD + "data:\n  train: b\n", "key 'data' appears twice"),
    "unbalanced brackets": (GOOD + "loss: {energy: 1", "expected YAML"),
    "brackets in brackets": ("[" * 5000, "RecursionError"),
    "a list as a key": ("? [1, 2]\n: {a: 1}\n", r"the key \[1, 2\] in line 1"),
    "an unknown alias": (GOOD + "loss: *x\n", "undefined alias 'x'"),
    "an alias of itself": ("data: &a {train: *a}\n", "100000 values nested 100 deep"),
    "a date that is none": (GOOD + "loss: {energy: 2001-99-99}\n", "month must be in 1..12"),
    "an endless number": (
        GOOD + f"loss: {{energy: {'9' * 5000}}}\n",
        "expected YAML, came a value that cannot be read",
    ),
    "a NUL": (GOOD + "\0", "#x0000"),
    "an escaped NUL": ('data: {train: "a\\0b"}\ntraining: {output: r}', "'data.train': expected text without NUL"),
    "a NUL in the output": (
        'data: {train: a}\ntraining: {output: "a\\0b"}',
        "'training.output': expected text without NUL",
    ),
    "an unknown section": (GOOD + "dat:\n  train: b\n", "unknown key 'dat'. Did you mean 'data'"),
    "a schedule as a section": (GOOD + "cosine: {}\n", "unknown key 'cosine'"),
    "an unknown key": (GOOD + "  max_epoch: 5\n", "Did you mean 'training.max_epochs'"),
    "a number as a section": (GOOD + "1: {2: 3}\n", "'1'"),
    "a number as a key": ("data: {1: 2, train: a}\ntraining: {output: r}", "'data.1'"),
    "a section that is a number": (GOOD + "loss: 5\n", "'loss': expected .* came 5"),
    "no training files": ("data: {train: []}\ntraining: {output: r}", "'data.train': expected at least one path"),
    "files that are numbers": (
        "data: {train: [1, [2]]}\ntraining: {output: r}",
        "'data.train.0': expected a path, came 1",
    ),
    "no output": ("data: {train: good.xyz}\n", "expected 'training', came nothing"),
    "a test set without a name": ("data: {train: a, test: {1: b}}\ntraining: {output: r}", r"'data.test.1"),
    "test sets of the same file name": (
        'data: {train: a, test: {"a/b": x, "a_b": y}}\ntraining: {output: r}',
        "names that give files of different names",
    ),
    "yes as a number": (GOOD + "model: {cutoff: yes}\n", "'model.cutoff': expected something other than a truth value"),
    "yes as a count": (
        GOOD + "  batch_size: on\n",
        "'training.batch_size': expected something other than a truth value",
    ),
    "yes as layers": (GOOD + "model: {num_layers: yes}\n", "'model.num_layers': expected a whole number, came True"),
    "NaN": (GOOD + "loss: {energy: .nan}\n", "'loss.energy': expected a finite number, came nan"),
    "infinity": (GOOD + "optimizer: {learning_rate: .inf}\n", "'optimizer.learning_rate': expected a finite number"),
    "a negative weight": (GOOD + "loss: {forces: -1}\n", "'loss.forces': expected greater than or equal to 0"),
    "half an epoch": (GOOD + "  max_epochs: 1.5\n", "'training.max_epochs'"),
    "a huge network": (GOOD + "model: {num_features: 99999999999}\n", "'model.num_features': .*8192"),
    "endless layers": (GOOD + "model: {num_layers: 1000000000}\n", "'model.num_layers': .*128"),
    "endless seeds": (GOOD + "  seeds: 1000000000000\n", "'training.seeds': .*1000"),
    "an unknown network": (GOOD + "model: {architecture: mace}\n", "'model.architecture': expected 'nequip', 'se3"),
    "a list as a network": (GOOD + "model: {architecture: [nequip]}\n", "'model.architecture'"),
    "a list as a schedule": (GOOD + "schedule: {name: [1]}\n", "'schedule.name': expected one of plateau"),
    "a list as a task": (GOOD + "task: [potential]\n", "'task': expected one of potential"),
    "a time that is none": (GOOD + "  max_time: soon\n", "'training.max_time': expected a duration"),
    "E0s in words": ("data: {train: a, atomic_energies: {H: x}}\ntraining: {output: r}", "'data.atomic_energies'"),
    "E0s of no element": (GOOD.replace("good.xyz", "good.xyz\n  atomic_energies: {Qq: 1.0}"), "'Qq': 1.0"),
    "a file of nobody's": ("data: {train: ~no-such-user/x.xyz}\ntraining: {output: r}", "no-such-user/x.xyz"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_config(name, shared, refused, tmp_path):
    content, pattern = BROKEN[name]
    (tmp_path / "good.xyz").write_bytes((shared / "good.xyz").read_bytes())
    (tmp_path / "broken.yaml").write_text(content)
    refused(
        ["train", str(tmp_path / "broken.yaml")],
        "" if "E0s of no" in name or "nobody" in name else "broken.yaml",
        pattern,
    )


def test_aliases_of_aliases(refused, tmp_path):
    """A billion values in ten lines."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    (tmp_path / "bomb.yaml").write_text("\n".join([*lines, "data: {train: *i}"]))
    refused(["train", str(tmp_path / "bomb.yaml")], "bomb.yaml", "aliases of aliases")


TAGS = (
    "!!python/object/apply:os.mkdir [{marker}]",
    "!!python/name:os.system",
    "!!python/module:os",
    "!!python/object/new:subprocess.Popen [[mkdir, {marker}]]",
    "!include /etc/passwd",
)


@pytest.mark.parametrize("tag", TAGS)
def test_yaml_runs_no_code(tag, refused, tmp_path):
    marker = tmp_path / "marker"
    value = tag.format(marker=marker)
    (tmp_path / "evil.yaml").write_text(GOOD + f"loss: {value}\n")
    refused(["train", str(tmp_path / "evil.yaml")], "evil.yaml", "Tags are not evaluated: write the value itself")
    (tmp_path / "good.yaml").write_text(GOOD)
    refused(["train", str(tmp_path / "good.yaml"), f"loss.energy={value}"], "override .*Tags are not evaluated")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("override", "pattern"),
    [
        ("", "Expected section.key=value, came ''"),
        ("=", "Expected section.key=value"),
        ("training", "Expected section.key=value"),
        ("training.=5", "Expected section.key=value"),
        (".epochs=5", "Expected section.key=value"),
        ("training.max_epochs=[", "override 'training.max_epochs=\\['.*expected YAML"),
        ("training.max_epochs=", "'training.max_epochs'"),
        ("training.max_epochs.more=5", "'training.max_epochs'"),
        ("training.device=tpu", "'training.device': expected one of auto, cpu"),
        ("training.device=cuda:99", "cuda:99"),
        ("a.b.c.d=5", "unknown key 'a'"),
        ("task=regression", "'task'.*'regression'"),
        ("data.valid=1000", "leave training structures, came 1000 of 6"),
        ("model.cutoff=1e9", "'model.cutoff'"),
        ("data.energy_key=Energy", "Did you mean 'energy'"),
        ("data.stress_key=virial", "by its name a virial"),
    ],
)
def test_broken_override(override, pattern, shared, config, refused):
    refused(["train", config(shared / "good.xyz"), override], pattern)


def test_files_that_are_no_text(refused, tmp_path):
    for name, content, pattern in (
        ("latin1.yaml", "data:\n  train: \xe9.xyz\n".encode("latin-1"), "UTF-8, came the byte 0xe9 in line 2"),
        ("utf16.yaml", GOOD.encode("utf-16"), "UTF-8"),
        ("binary.yaml", bytes(range(256)), "UTF-8|expected YAML"),
    ):
        (tmp_path / name).write_bytes(content)
        refused(["train", str(tmp_path / name)], name, pattern)
    refused(["train", str(tmp_path)], "Expected a YAML file, found none")
    refused(["train", str(tmp_path / ("x" * 300))], "Expected")


def test_outputs_that_cannot_be(shared, config, refused, tmp_path):
    (tmp_path / "file").write_text("")
    good = shared / "good.xyz"
    refused(["train", config(good, {"training": {"output": str(tmp_path / "file")}})], "'.*file' is a file")
    refused(["train", config(good, {"training": {"output": str(tmp_path / "file" / "run")}})], "file")
    refused(["train", config(good, {"training": {"output": str(tmp_path / ("x" * 300))}})], "name too long")
    assert (tmp_path / "file").read_text() == ""
    assert set(os.listdir(tmp_path)) == {"config.yaml", "file"}
