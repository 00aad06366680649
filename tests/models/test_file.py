import errno
import json
import os

import pytest
import safetensors.torch
import torch

from eqgraph.models import Potential, build_potential, load_potential, save_potential


def tiny() -> Potential:
    return build_potential("nequip", {"num_layers": 1, "num_features": 2}, [1, 8], 4.0, [-1.0, -2.0], [1.0, 1.0], 2.0)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a model file, found none at .*nothing\.eqg"):
        load_potential(tmp_path / "nothing.eqg")


@pytest.mark.parametrize("content", [b"", b"not a model at all", bytes(range(256)) * 10])
def test_a_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "model.eqg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged or of another kind"):
        load_potential(path)


def test_a_truncated_model_is_refused(tmp_path):
    path = tmp_path / "model.eqg"
    save_potential(path, tiny())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged or of another kind"):
        load_potential(path)


def test_a_single_wrong_byte_among_the_weights_is_noticed(tmp_path):
    path = tmp_path / "model.eqg"
    save_potential(path, tiny())
    content = bytearray(path.read_bytes())
    content[-300] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match="the file is damaged"):
        load_potential(path)


def test_weights_of_other_species_are_not_loaded():
    water = tiny()
    methane = build_potential("nequip", water.network.config, [1, 6], 4.0, [-1.0, -2.0], [1.0, 1.0], 2.0)
    before = methane.shifts.clone()
    with pytest.raises(RuntimeError, match=r"expected the state of a potential for species \[1, 6\], got \[1, 8\]"):
        methane.load_state_dict(water.state_dict())
    assert torch.equal(methane.shifts, before)


def test_safetensors_of_another_program_are_refused(tmp_path):
    path = tmp_path / "model.eqg"
    safetensors.torch.save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="without an eqgraph header"):
        load_potential(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "eqgraph-potential-99"}, "eqgraph-potential-99"),
        ({"architecture": "unheard-of"}, "unheard-of"),
        ({"config": {"num_layers": 2, "num_features": 2}}, "does not fit"),
        ({"config": {"number_of_layers": 1}}, "does not fit"),
        ({"species": None}, "does not fit"),
        ({"dtype": "float1"}, "does not fit"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path, change, message):
    path = tmp_path / "model.eqg"
    save_potential(path, tiny())
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["eqgraph"])
    header.update(change)
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file(tensors, path, metadata={"eqgraph": json.dumps(header)})
    with pytest.raises(ValueError, match=message):
        load_potential(path)


def test_a_full_disk_leaves_the_old_model_intact(tmp_path, monkeypatch):
    path = tmp_path / "model.eqg"
    save_potential(path, tiny())
    before = path.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_potential(path, tiny())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.eqg"]


def test_metadata_that_json_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected metadata that JSON can hold"):
        save_potential(tmp_path / "model.eqg", tiny(), {"a": object()})
    with pytest.raises(ValueError, match="expected metadata that JSON can hold"):
        save_potential(tmp_path / "model.eqg", tiny(), {"a": float("nan")})


def test_a_network_of_unknown_class_is_refused(tmp_path):
    potential = Potential(torch.nn.Linear(1, 1), [1], 4.0, [0.0], [1.0])
    with pytest.raises(ValueError, match=r"expected a network among \['nequip', .*\], got Linear"):
        save_potential(tmp_path / "model.eqg", potential)


def test_unknown_architecture_is_refused():
    with pytest.raises(ValueError, match=r"expected an architecture among \['nequip', .*\], got 'mace'"):
        build_potential("mace", {}, [1], 4.0, [0.0], [1.0], 2.0)


@pytest.mark.parametrize("species", [[], [8, 1], [1, 1], [0, 1], [1, 119]])
def test_species_must_be_sorted_atomic_numbers(species):
    with pytest.raises(ValueError, match="expected different atomic numbers in ascending order"):
        Potential(torch.nn.Identity(), species, 4.0, [0.0] * len(species), [1.0] * len(species))


def test_shifts_and_scales_must_fit_the_species():
    with pytest.raises(ValueError, match="expected shifts to be 2 finite numbers"):
        Potential(torch.nn.Identity(), [1, 8], 4.0, [0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="expected scales to be 2 finite numbers"):
        Potential(torch.nn.Identity(), [1, 8], 4.0, [0.0, 0.0], [1.0, float("nan")])
