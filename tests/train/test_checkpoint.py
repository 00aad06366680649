"""Reading checkpoints, whole, damaged and malicious."""

import pickle
import subprocess

import pytest
import torch

from eqgraph.train.checkpoint import (
    CheckpointFile,
    DamagedCheckpointError,
    good_checkpoint,
    previous,
    read_checkpoint,
)

WHOLE = {"state_dict": {"weight": torch.ones(3)}, "optimizer_states": [], "callbacks": {}, "loops": {}, "run": {}}


class Malicious:
    """Would run a command when it is read."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        return subprocess.check_call, (self.command.split(),)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "last.ckpt"


def test_what_is_saved_is_read_and_the_one_before_is_kept(path):
    for number in (1.0, 2.0, 3.0):
        CheckpointFile().save_checkpoint(WHOLE | {"state_dict": {"weight": torch.full((3,), number)}}, path)
    assert torch.equal(CheckpointFile().load_checkpoint(path)["state_dict"]["weight"], torch.full((3,), 3.0))
    assert torch.equal(read_checkpoint(previous(path))["state_dict"]["weight"], torch.full((3,), 2.0))
    assert {file.name for file in path.parent.iterdir()} == {"last.ckpt", "previous.ckpt"}


def test_the_one_before_is_kept_where_files_have_one_name_only(path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    test_what_is_saved_is_read_and_the_one_before_is_kept(path)


def test_tensors_of_any_device_are_read_to_the_cpu(path, monkeypatch):
    """A run from a GPU goes on where there is none."""
    arguments = {}
    CheckpointFile().save_checkpoint(WHOLE, path)
    monkeypatch.setattr(torch, "load", lambda path, **given: arguments.update(given) or WHOLE)
    CheckpointFile().load_checkpoint(path)
    assert arguments == {"map_location": "cpu", "weights_only": True}


def test_each_damaged_byte_is_noticed(path):
    CheckpointFile().save_checkpoint(WHOLE, path)
    content = path.read_bytes()
    for position in range(0, len(content), 97):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(
            DamagedCheckpointError, match=r"Expected a checkpoint of `eqgraph train` in '.*last\.ckpt', came"
        ):
            read_checkpoint(path)
    for size in range(0, len(content), 97):
        path.write_bytes(content[:size])
        with pytest.raises(DamagedCheckpointError, match=r"came a file that has no checksum: it is cut off"):
            read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("junk", "has no checksum"), ("foreign", "has no checksum"), ("part", "lacks run$")],
)
def test_foreign(path, content, message):
    if content == "junk":
        path.write_bytes(b"junk")
    elif content == "foreign":
        torch.save(WHOLE, path)
    else:
        whole = {key: value for key, value in WHOLE.items() if key != "run"}
        CheckpointFile().save_checkpoint(whole, path)
    with pytest.raises(DamagedCheckpointError, match=message.replace("$", r"\.$")):
        read_checkpoint(path)


@pytest.mark.parametrize("kind", ["checkpoint", "torch", "pickle", "old pickle"])
def test_code_is_refused_and_not_run(path, tmp_path, kind):
    victim = tmp_path / "victim"
    code = Malicious(f"touch {victim}")
    if kind == "checkpoint":
        CheckpointFile().save_checkpoint(WHOLE | {"epoch": code}, path)
    elif kind == "torch":
        torch.save(code, path)
    else:
        path.write_bytes(pickle.dumps(code, protocol=4 if kind == "pickle" else 2))
    with pytest.raises(
        DamagedCheckpointError, match=r"asks to run code when it is read \(\w+\.check_call\), which was refused"
    ):
        read_checkpoint(path)
    assert not victim.exists()
    pickle.loads(pickle.dumps(code))  # it would have
    assert victim.exists()


def test_the_one_before_is_used_when_the_last_is_damaged(path):
    assert good_checkpoint(path) == (None, None, "")
    CheckpointFile().save_checkpoint(WHOLE, path)
    assert good_checkpoint(path)[::2] == (path, "")
    CheckpointFile().save_checkpoint(WHOLE, path)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    found, _, note = good_checkpoint(path)
    assert found == previous(path)
    assert note == (
        "last.ckpt has no checksum: it is cut off, or was not written by this program: going on from previous.ckpt, the checkpoint "
        "before it."
    )
    path.unlink()
    assert good_checkpoint(path)[2].startswith("last.ckpt is missing: going on from previous.ckpt")
    path.write_bytes(content[:1000] + b"x" + content[1001:])
    previous(path).write_bytes(b"junk")
    with pytest.raises(
        DamagedCheckpointError,
        match=r"is damaged: its checksum is another, and previous\.ckpt beside it has no checksum",
    ):
        good_checkpoint(path)
