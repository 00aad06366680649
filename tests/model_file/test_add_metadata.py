"""More metadata in a file that is there."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch

from eqgraph.model_file import add_metadata, read_header

FILE = Path(__file__).parents[1] / "models" / "files" / "0.1.0" / "nequip.eqg"


@pytest.fixture
def path(tmp_path):
    return Path(shutil.copy(FILE, tmp_path / "model.eqg"))


@pytest.mark.parametrize("text", ["a", "Å" * 7, "x" * 1001, '"\\\n'])
def test_safetensors_finds_the_same_tensors_and_more_metadata(path, text):
    add_metadata(path, {"errors": {"train": [{"rmse": 1.5}]}, "note": text})
    before, after = safetensors.torch.load_file(FILE), safetensors.torch.load_file(path)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert after[name].dtype == tensor.dtype
        assert torch.equal(after[name], tensor)
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["eqgraph"])
    old = read_header(FILE)
    assert header["metadata"] == old["metadata"] | {"errors": {"train": [{"rmse": 1.5}]}, "note": text}
    assert {**header, "metadata": 0} == {**old, "metadata": 0}


def test_twice_is_once(path):
    add_metadata(path, {"errors": {}})
    once = path.read_bytes()
    add_metadata(path, {"errors": {}})
    assert path.read_bytes() == once


def test_what_json_cannot_hold_changes_nothing(path):
    for metadata in ({"a": object()}, {"a": float("nan")}):
        with pytest.raises(ValueError, match="expected metadata that JSON can hold"):
            add_metadata(path, metadata)
    assert path.read_bytes() == FILE.read_bytes()


def test_a_full_disk_leaves_the_file_as_it_was(path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        add_metadata(path, {"a": 1})
    assert path.read_bytes() == FILE.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == ["model.eqg"]
